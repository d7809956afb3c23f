"""Evaluation: features computed once give what the published procedure gives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from systems.litemkd.episodes import Shape, pool
from systems.litemkd.heads import Head, chosen
from systems.litemkd.kinds import HEADS
from systems.litemkd.metric import accuracies, summary
from systems.litemkd.mfm import MFM, Shifts
from systems.litemkd.model import Student
from systems.litemkd.prepared import by_head, by_single, by_teacher
from systems.litemkd.protocol import Answer, Answers, Drawn, drawn, episode_accuracies, shared_accuracies
from systems.litemkd.single import Single
from systems.litemkd.videos import Video

VIDEOS = [Video(f"class{c}", f"clip{v}") for c in range(4) for v in range(5)]
ROWS = {video: row for row, video in enumerate(VIDEOS)}
POOL = pool(VIDEOS, set(VIDEOS), Shape(3, 2, 2))
ROUNDING = 2e-5  # of the largest logit: sums in another order


def episodes(count: int = 30) -> Drawn:
    return drawn(POOL, ROWS, episodes=count, seed=3)


def differ(drawn: Drawn, shared: Answers, one: Answer) -> float:
    """The largest difference between the logits of both procedures, relative to the largest logit."""
    labels = torch.arange(3).repeat_interleave(2)
    with torch.inference_mode():
        logits = torch.stack([one(support.flatten(), labels, query) for support, query in zip(drawn.support, drawn.query)])
        return float((shared(drawn.support, drawn.query) - logits).abs().max() / logits.abs().max())


def test_features_computed_once_give_the_accuracy_of_the_backbone_run_on_every_episode() -> None:
    torch.manual_seed(0)
    student = Student("small2d", "d2m", "d2m", 16, 8).eval()
    clips = torch.rand(len(VIDEOS), 8, 3, 16, 16)
    with torch.inference_mode():
        answer = by_head(student.classifier, student.prepare(clips))

    def published(support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
        return student.answer(student(clips[support], labels, clips[query]))

    fast, slow = shared_accuracies(episodes(), answer), episode_accuracies(POOL, ROWS, published, episodes=30, seed=3)
    assert np.array_equal(fast, slow) and 0 < fast.mean() < 1
    assert differ(episodes(), answer, published) < ROUNDING


@pytest.mark.parametrize("name", HEADS)
def test_every_head_answers_many_episodes_as_it_answers_each(name: str) -> None:
    torch.manual_seed(0)
    head = Head(name, 16, 8).eval()
    features = {feature: torch.randn(len(VIDEOS), 8, 16) for feature in ("first", "second", "patches")}
    with torch.inference_mode():
        prepared = head.prepare(features)
    one = lambda support, labels, query: head.answer(head.match(chosen(prepared, support), labels, chosen(prepared, query)))  # noqa: E731
    assert differ(episodes(), by_head(head, prepared), one) < ROUNDING


@pytest.mark.parametrize("kind", ["trx", "baseline", "strm"])
def test_networks_of_one_modality_answer_many_episodes_as_they_answer_each(kind: str) -> None:
    torch.manual_seed(0)
    net = Single(kind, "small2d", 8, (2, 3)).eval()
    features = torch.randn(len(VIDEOS), 8, net.width)
    one = lambda support, labels, query: net.answer(net.match(features[support], labels, features[query]))  # noqa: E731
    with torch.inference_mode():
        assert differ(episodes(), by_single(net, features), one) < ROUNDING


@pytest.mark.parametrize(
    "variant, options",
    [
        ("shift", {}),
        ("shift", {"cardinalities": (2, 3)}),
        ("two-shift", {"shifts": Shifts(query="none")}),
        ("shift-otam", {}),
        ("shift-otam", {"otam_logits": "softmax"}),
    ],
)
def test_teachers_answer_many_episodes_as_they_answer_each(variant: str, options: dict[str, object]) -> None:
    torch.manual_seed(0)
    net = MFM(variant, 12, 8, layers=1, feedforward=8, **options).eval()
    clips = [torch.randn(len(VIDEOS), 8, 12) for _ in range(net.variant.modalities)]
    sides: Callable[[Tensor], list[Tensor]] = lambda places: [one[places] for one in clips]  # noqa: E731
    with torch.inference_mode():
        assert differ(episodes(), by_teacher(net, clips), lambda s, labels, q: net(sides(s), labels, sides(q))) < ROUNDING


def test_a_teacher_that_shifts_only_its_support_clips_fuses_both_sides() -> None:
    assert MFM("two-shift", 8, 4, layers=1, shifts=Shifts(query="none")).sided
    assert not MFM("two-shift", 8, 4, layers=1).sided


def test_episodes_in_parts_are_the_same_episodes() -> None:
    whole = drawn(POOL, ROWS, episodes=9)
    parts = [drawn(POOL, ROWS, episodes=3, first=first) for first in (0, 3, 6)]
    for name in ("support", "query", "labels"):
        assert torch.equal(getattr(whole, name), torch.cat([getattr(part, name) for part in parts]))


def test_test_episodes_are_no_training_episodes() -> None:
    tested = drawn(POOL, ROWS, episodes=1, seed=5)
    trained = [ROWS[video] for video in POOL.episode(5, 0).query]
    assert tested.query[0].tolist() != trained


def test_support_clips_stand_by_class_and_queries_have_the_label_of_their_class() -> None:
    found = drawn(POOL, ROWS, episodes=50)
    classes = found.support // 5
    assert (classes == classes[:, :, :1]).all()
    assert torch.equal(classes[:, :, 0].gather(1, found.labels), found.query // 5)


def test_large_episodes_go_one_by_one_and_small_ones_together() -> None:
    found = episodes(30)
    assert len(found.lots("cpu", 28)) > len(found.lots("cpu", 8)) and len(found.lots("cpu", 10_000)) == 30


def test_the_interval_is_that_of_the_published_code() -> None:
    logits = np.zeros((2, 5, 5))
    logits[0] = np.eye(5)
    assert accuracies(logits, np.tile(np.arange(5), (2, 1))).tolist() == [1.0, 0.2]
    assert summary([1.0, 0.2]) == pytest.approx((60.0, 196 * 0.4 / 2**0.5))
