"""Scores of clips and accuracies."""

from __future__ import annotations

import pytest
import torch

from systems.gkd.recognition.fusion import accuracies, scores


def test_one_stream_twice_is_not_the_stream_alone_but_keeps_its_best() -> None:
    logits = torch.randn(6, 9, 7, generator=torch.Generator().manual_seed(0))
    alone, twice = scores(logits), scores(logits, logits)
    torch.testing.assert_close(twice, scores(2 * logits))
    torch.testing.assert_close(alone.sum(1), torch.ones(6))
    assert not torch.allclose(alone, twice)


def test_a_label_counts_among_the_best_k() -> None:
    found = torch.tensor([[0.1, 0.5, 0.4], [0.6, 0.3, 0.1], [0.2, 0.3, 0.5]])
    assert accuracies(found, torch.tensor([1, 1, 0]), (1, 2)) == pytest.approx([100 / 3, 200 / 3])


def test_fewer_classes_than_five_are_all_among_the_best() -> None:
    assert accuracies(torch.rand(4, 3), torch.tensor([0, 1, 2, 0]))[1] == 100


def test_no_clips_have_no_accuracy() -> None:
    with pytest.raises(ValueError, match="no clips"):
        accuracies(torch.rand(0, 3), torch.zeros(0, dtype=torch.long))
