"""NeXtVLAD without its padding is the same network."""

from __future__ import annotations

import pytest
import torch

from systems.fewerframes import nextvlad
from systems.fewerframes.arithmetic import Normalisation
from systems.fewerframes.batch_norm import BatchNorm
from systems.fewerframes.packed import Packed, pack, pooled
from systems.fewerframes.vlad_sums import Layers, vlad_sums, worth

COUNTS = [(7, 3, 1, 5), (7, 7, 7, 7), (4, 4, 4, 4), (7, 0, 0, 2)]
ROUNDING = 1e-6
"""A shift before a batch norm has no effect: its gradient is 0 but for rounding."""


def network() -> nextvlad.NeXtVLAD:
    torch.manual_seed(0)
    return nextvlad.NeXtVLAD(5, feature_sizes=(16, 8), groups=4, clusters=4, hidden=12, gating_reduction=4, drop_rate=0.0)


def codes(counts: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (4, 7, 24), dtype=torch.uint8, generator=generator), torch.arange(7) < torch.tensor(counts)[:, None]


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("name", ["whitening", "l2"])
@pytest.mark.parametrize("way", ["by hand", "merged", "one by one"])
def test_training_without_padding_gives_the_same_outputs_gradients_and_statistics(
    counts: tuple[int, ...], name: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nextvlad, "worth", lambda *sizes: way != "one by one")
    monkeypatch.setattr(nextvlad, "fits", lambda rows: way == "by hand")
    normalise = Normalisation(name, torch.linspace(9.0, 0.5, 16))
    q, present = codes(counts)
    padded, packed = network().train(), network().train()
    out = padded(normalise.network_input(q, present), present)
    same = packed.forward_packed(normalise.packed_input(q, present))
    assert torch.allclose(out.logits, same.logits, atol=2e-5)
    for result in (out, same):
        (result.probabilities * torch.arange(5.0)).sum().backward()
    for (label, a), b in zip(padded.named_parameters(), packed.parameters()):
        scale = float(a.grad.abs().max())
        assert torch.allclose(a.grad, b.grad, atol=1e-4 * scale + ROUNDING), label
    for (label, a), b in zip(padded.named_buffers(), packed.buffers()):
        assert torch.allclose(a, b, atol=1e-6), label


@pytest.mark.parametrize("counts", [(4, 2), (3, 3), (5, 0)])
def test_gradients_by_hand_are_those_of_the_numbers(counts: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    groups, width, expanded, clusters = 2, 3, 4, 3

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, dtype=torch.float64)

    frames = Packed(random(sum(counts), width), counts, random(width), 2)
    shapes = ((width, expanded), (expanded,), (expanded, groups), (groups,), (expanded, groups * clusters), (6,), (6,))
    layers = [random(*shape).requires_grad_() for shape in shapes]

    def sums(*layers: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return vlad_sums(frames, groups, Layers(*layers))[:2]

    assert torch.autograd.gradcheck(sums, layers)


def test_the_cheaper_way_is_the_one_with_fewer_products() -> None:
    assert not worth(1536, 1024, 2048) and worth(1537, 1024, 2048)
    assert not worth(10**6, 1024, 512)  # a narrower network has no use for it


@pytest.mark.parametrize("counts", COUNTS)
def test_answers_without_padding_are_the_same(counts: tuple[int, ...]) -> None:
    q, present = codes(counts)
    model, normalise = network().eval(), Normalisation("l2")
    with torch.no_grad():
        out = model(normalise.network_input(q, present), present)
        same = model.forward_packed(normalise.packed_input(q, present))
    assert torch.allclose(out.probabilities, same.probabilities, atol=1e-6)


def test_packing_keeps_the_real_rows_in_order_and_counts_the_others() -> None:
    x = torch.arange(12.0).view(2, 3, 2)
    found = pack(x, torch.tensor([[True, False, True], [False, False, True]]), torch.zeros(2))
    assert found.rows.tolist() == [[0, 1], [4, 5], [10, 11]] and found.counts == (2, 1) and found.padded == 3


def test_pooling_is_the_product_of_each_video() -> None:
    left, right = torch.randn(12, 3), torch.randn(12, 4)
    for counts in ((3, 3), (1, 5), (0, 6)):
        ends = [2 * counts[0], 12]
        expected = torch.stack([left[: ends[0]].t() @ right[: ends[0]], left[ends[0] :].t() @ right[ends[0] :]])
        assert torch.allclose(pooled(left, right, counts, 2), expected, atol=1e-5)


@pytest.mark.parametrize("rows", [0, 5])
def test_a_repeated_row_counts_as_often_as_it_stands_there(rows: int) -> None:
    torch.manual_seed(0)
    x, row = torch.randn(rows, 3), torch.randn(3)
    one, other = BatchNorm(3, fused=True).train(), BatchNorm(3, fused=True).train()
    assert torch.allclose(one.forward_repeated(x, row, 4), other(torch.cat([x, row.expand(4, 3)]))[:rows], atol=1e-5)
    assert torch.allclose(one.running_var, other.running_var, atol=1e-6) and torch.allclose(one.running_mean, other.running_mean, atol=1e-7)
