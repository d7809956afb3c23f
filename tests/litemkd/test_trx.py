"""The cross-transformer, against its formula written tuple by tuple."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from cache.errors import DataError
from systems.litemkd.trx import TRX, CrossTransformer
from systems.litemkd.tuples import membership, ordered_tuples, project_parts

DIM, OUT, FRAMES = 12, 10, 5


def head(cardinality: int = 2) -> CrossTransformer:
    torch.manual_seed(cardinality)
    return CrossTransformer(DIM, OUT, cardinality, FRAMES).eval()


def clips(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, FRAMES, DIM, generator=torch.Generator().manual_seed(seed))


def one_by_one(net: CrossTransformer, support: Tensor, labels: Tensor, query: Tensor, cardinality: int) -> Tensor:
    """The formula of C.1 with loops over queries, classes and tuples, every tuple projected as a whole."""

    def projected(clip: Tensor) -> list[tuple[Tensor, Tensor]]:
        placed = clip + net.pe.pe[0, :FRAMES]
        tuples = [placed[list(chosen)].flatten() for chosen in combinations(range(FRAMES), cardinality)]
        return [(net.norm_k(net.k_linear(z)), net.v_linear(z)) for z in tuples]

    rows = []
    for clip in query:
        row = []
        for label in range(int(labels.max()) + 1):
            known = [pair for other, of in zip(support, labels) if of == label for pair in projected(other)]
            asked = projected(clip)
            total = torch.zeros(())
            for key, value in asked:
                scores = torch.stack([key @ other for other, _ in known]) / OUT**0.5
                prototype = sum(share * other for share, (_, other) in zip(scores.softmax(0), known))
                total = total - (value - prototype).square().sum()
            row.append(total / len(asked))
        rows.append(torch.stack(row))
    return torch.stack(rows)


@pytest.mark.parametrize("cardinality", [1, 2, 3, 4])
def test_it_is_the_formula_tuple_by_tuple(cardinality: int) -> None:
    net, support, query, labels = head(cardinality), clips(6), clips(2, seed=1), torch.tensor([2.0, 0, 1, 1, 2, 0])
    expected = one_by_one(net, support, labels, query, cardinality)
    assert torch.allclose(net(support, labels, query), expected, rtol=1e-4, atol=1e-5)


def test_a_layer_that_looks_for_changes_loses_no_digits_to_what_frames_have_in_common() -> None:
    net, labels = head(), torch.tensor([0, 1, 2, 2, 1, 0])
    with torch.no_grad():
        for layer in (net.k_linear, net.v_linear):
            layer.weight[:, DIM:] = 1e-3 * layer.weight[:, DIM:] - layer.weight[:, :DIM]
    support, query = (30 + 0.1 * clips(count, seed) for count, seed in ((6, 0), (3, 1)))
    found = net(support, labels, query)
    exact = net.double()(support.double(), labels, query.double())
    spread = exact.max() - exact.min()
    assert ((found - exact).abs() < 1e-4 * spread).all()


def test_classes_may_have_different_numbers_of_shots() -> None:
    net, support, query, labels = head(), clips(6), clips(3, seed=1), torch.tensor([0, 2, 1, 0, 0, 1])
    assert torch.allclose(net(support, labels, query), one_by_one(net, support, labels, query, 2), rtol=1e-4, atol=1e-5)


def test_the_order_of_the_support_set_does_not_matter() -> None:
    net, support, query, labels = head(), clips(6), clips(3, seed=1), torch.tensor([0, 1, 2, 2, 1, 0])
    order = torch.tensor([3, 5, 0, 1, 4, 2])
    assert torch.allclose(net(support, labels, query), net(support[order], labels[order], query), atol=1e-6)


def test_projections_are_shared_by_episodes() -> None:
    net, every, labels = head(), clips(9), torch.tensor([0, 1, 1, 0])
    kept = net.project(every)
    support, query = torch.tensor([8, 2, 3, 5]), torch.tensor([0, 7])
    found = net.match(kept.of(support), labels, kept.of(query))
    assert torch.allclose(found, net(every[support], labels, every[query]), atol=1e-6)


def test_a_query_that_is_in_the_support_set_is_nearest_to_its_class() -> None:
    net, support = head(), 5 * clips(4)
    assert net(support, torch.tensor([1, 3, 0, 2]), support).argmax(1).tolist() == [1, 3, 0, 2]


def test_a_class_without_a_clip_is_an_error() -> None:
    with pytest.raises(DataError, match="no clip of class 1, of 3 classes"):
        head()(clips(2), torch.tensor([0, 2]), clips(1))


def test_several_cardinalities_are_averaged() -> None:
    net = TRX(DIM, OUT, (2, 3), FRAMES).eval()
    given = clips(4), torch.tensor([0, 1, 0, 1]), clips(2, seed=1)
    assert torch.allclose(net(*given), (net.transformers[0](*given) + net.transformers[1](*given)) / 2)
    assert torch.allclose(net.match(net.project(given[0]), given[1], net.project(given[2])), net(*given), atol=1e-6)
    assert "transformers.1.pe.pe" in net.state_dict()


@pytest.mark.parametrize("cardinality", [1, 2, 3])
def test_projecting_frames_equals_projecting_tuples_and_so_do_the_gradients(cardinality: int) -> None:
    tuples, members = ordered_tuples(FRAMES, cardinality), membership(FRAMES, cardinality)
    linear = torch.nn.Linear(cardinality * DIM, OUT)
    found, gradients = [], []
    for whole in (False, True):
        x = clips(3).requires_grad_()
        parts = () if whole else project_parts(x, (linear,), cardinality)
        out = F.linear(x[:, tuples].flatten(2), linear.weight, linear.bias) if whole else members @ parts[0]
        found.append(out)
        gradients.append(torch.autograd.grad(out.square().sum(), (x, linear.weight, linear.bias)))
    assert torch.allclose(*found, atol=1e-6)
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(*gradients, strict=True))


def test_tuples_are_in_lexicographic_order() -> None:
    assert ordered_tuples(4, 2).tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    assert len(ordered_tuples(8, 3)) == 56
