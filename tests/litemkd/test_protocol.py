"""Evaluation: features computed once give what the published procedure gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from systems.litemkd.episodes import Shape, Video, pool
from systems.litemkd.heads import chosen
from systems.litemkd.metric import accuracies, summary
from systems.litemkd.model import Student
from systems.litemkd.protocol import episode_accuracies

VIDEOS = [Video(f"class{c}", f"clip{v}") for c in range(4) for v in range(4)]
ROWS = {video: row for row, video in enumerate(VIDEOS)}
POOL = pool(VIDEOS, set(VIDEOS), Shape(3, 2, 2))


def test_features_computed_once_give_the_accuracy_of_the_backbone_run_on_every_episode() -> None:
    torch.manual_seed(0)
    student = Student("small2d", "d2m", "d2m", 16, 8).eval()
    clips = torch.rand(len(VIDEOS), 8, 3, 16, 16)
    with torch.inference_mode():
        kept = student.prepare(clips)

    def shared(support: torch.Tensor, labels: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        return student.answer(student.classifier.match(chosen(kept, support), labels, chosen(kept, query)))

    def published(support: torch.Tensor, labels: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        return student.answer(student(clips[support], labels, clips[query]))

    fast, slow = (episode_accuracies(POOL, ROWS, answer, episodes=12, seed=3) for answer in (shared, published))
    assert np.array_equal(fast, slow) and 0 < fast.mean() < 1


def test_episodes_in_parts_are_the_same_episodes() -> None:
    def answer(support: torch.Tensor, labels: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        return (support.sum() + query[:, None] * torch.arange(1, 4)) % 7

    whole = episode_accuracies(POOL, ROWS, answer, episodes=9)
    parts = [episode_accuracies(POOL, ROWS, answer, episodes=3, first=first) for first in (0, 3, 6)]
    assert np.array_equal(whole, np.concatenate(parts)) and len(set(whole)) > 1


def test_the_interval_is_that_of_the_published_code() -> None:
    logits = np.zeros((2, 5, 5))
    logits[0] = np.eye(5)
    assert accuracies(logits, np.tile(np.arange(5), (2, 1))).tolist() == [1.0, 0.2]
    assert summary([1.0, 0.2]) == pytest.approx((60.0, 196 * 0.4 / 2**0.5))
