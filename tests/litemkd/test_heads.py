"""Heads: branches, support distances, predictions, alignment."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cache.errors import ConfigError, DataError
from systems.litemkd.heads import Head, chosen
from systems.litemkd.kinds import HEADS
from systems.litemkd.otam import alignment, otam
from systems.litemkd.support import support_distances

DIM, FRAMES = 12, 8
LABELS = torch.tensor([2.0, 0, 1, 1, 2, 0])


def features(count: int, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(count, FRAMES, DIM, generator=generator) for name in ("first", "second", "patches")}


@pytest.mark.parametrize("name", HEADS)
def test_every_head_gives_logits_and_an_answer_for_every_query(name: str) -> None:
    head = Head(name, DIM, 10).eval()
    outputs = head(features(6), LABELS, features(4, seed=1))
    kind = HEADS[name]
    assert {output: tuple(outputs[output].shape) for output in kind.logits} == dict.fromkeys(kind.logits, (4, 3))
    assert {output: tuple(outputs[output].shape) for output in kind.support} == dict.fromkeys(kind.support, (3, 2))
    assert head.answer(outputs).shape == (4, 3)


@pytest.mark.parametrize("name", HEADS)
def test_prepared_clips_are_shared_by_episodes(name: str) -> None:
    head, every = Head(name, DIM, 10).eval(), features(9)
    support, query = torch.tensor([8, 2, 3, 5, 0, 1]), torch.tensor([7, 4])
    kept = head.prepare(every)
    found = head.match(chosen(kept, support), LABELS, chosen(kept, query))
    sides = [{name: clips[which] for name, clips in every.items()} for which in (support, query)]
    expected = head(sides[0], LABELS, sides[1])
    assert found and all(torch.allclose(value, expected[output], atol=1e-5) for output, value in found.items())


def test_both_branches_share_one_transformer() -> None:
    head = Head("d2m", DIM, 10).eval()
    support, query = features(6), features(4, seed=1)
    swapped = [{**given, "first": given["second"], "second": given["first"]} for given in (support, query)]
    here, there = head(support, LABELS, query), head(swapped[0], LABELS, swapped[1])
    assert torch.equal(here["kl"], there["ce"]) and torch.equal(here["ce"], there["kl"])


def test_the_prediction_of_two_branches_is_their_sum() -> None:
    head = Head("d2m", DIM, 10).eval()
    outputs = head(features(6), LABELS, features(4, seed=1))
    assert torch.equal(head.answer(outputs), outputs["kl"] + outputs["ce"])
    strm = {"pat": torch.ones(1, 2), "fr1": 2 * torch.ones(1, 2), "fr2": torch.zeros(1, 2)}
    assert torch.allclose(Head("strm-d2m", DIM, 10).answer(strm), torch.full((1, 2), 2.2))


def test_support_distances_are_between_classes_whatever_the_order() -> None:
    clips = features(6)["first"]
    order = torch.tensor([4, 0, 3, 5, 1, 2])
    found = support_distances(clips, LABELS)
    assert torch.allclose(found, support_distances(clips[order], LABELS[order]), atol=1e-5)
    means = [clips[label == LABELS].mean(0) for label in range(3)]
    assert float(found[2, 0]) == pytest.approx(-float((means[2] - means[0]).square().sum()) / FRAMES, rel=1e-5)


def test_the_published_grouping_goes_by_position_and_agrees_where_clips_are_sorted() -> None:
    clips = features(6)["first"]
    assert not torch.allclose(support_distances(clips, LABELS, "position"), support_distances(clips, LABELS), atol=1e-2)
    order = LABELS.argsort()
    ordered = support_distances(clips[order], LABELS[order], "position")
    assert torch.allclose(ordered, support_distances(clips, LABELS), atol=1e-5)


def test_the_published_grouping_needs_equal_shots() -> None:
    with pytest.raises(DataError, match="5 support clips cannot be cut into 3 groups"):
        support_distances(features(5)["first"], LABELS[:5], "position")


def test_an_unknown_head_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="d2n"):
        Head("d2n")


def hard_alignment(costs: Tensor) -> float:
    """The cheapest path by the same steps, with a minimum that is not soft."""
    padded = torch.nn.functional.pad(costs, (1, 1)).tolist()
    last = len(padded[0]) - 1
    above = [sum(padded[0][: column + 1]) for column in range(last + 1)]
    for row in padded[1:]:
        reached = [0.0]
        for column in range(1, last + 1):
            ways = [above[column - 1], reached[column - 1]] + ([above[column]] if column in (1, last) else [])
            reached.append(row[column] + min(ways))
        above = reached
    return above[-1]


def test_a_soft_path_nears_the_cheapest_one() -> None:
    costs = torch.rand(3, 6, 4, generator=torch.Generator().manual_seed(0))
    found = alignment(costs.double(), 1e-3)
    assert [float(x) for x in found] == pytest.approx([hard_alignment(c) for c in costs.double()], abs=2e-2)


def test_otam_as_published_is_a_softmax_and_gives_zeros_for_a_damaged_support_set() -> None:
    support, query = features(6)["first"], features(4, seed=1)["first"]
    assert torch.allclose(otam(support, LABELS, query, logits="softmax"), otam(support, LABELS, query).softmax(1), atol=1e-6)
    support[3, 2, 1] = torch.nan
    assert torch.equal(otam(support, LABELS, query, logits="softmax"), torch.zeros(4, 3))
