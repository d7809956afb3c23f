"""The parts of DualVGR whose rules are easy to get wrong."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from systems.videoqa import bilstm, visual
from systems.videoqa.bilstm import BiLSTM, read
from systems.videoqa.gate import QueryPunishment, WordAttention
from systems.videoqa.graph import PunishGAT, attend
from systems.videoqa.visual import AppearanceEncoder


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def test_the_gate_scales_the_values_of_a_node_and_not_the_attention() -> None:
    gat, x = PunishGAT(8, 2).eval(), torch.randn(3, 5, 8)
    assert not gat(x, torch.zeros(3, 5)).any()
    torch.testing.assert_close(gat(x, torch.ones(3, 5)), gat(x))
    gate = torch.ones(3, 5)
    gate[:, 2] = 0.0
    mask = torch.ones(5, 5)
    mask[:, 2] = 0.0
    assert (gat(x, gate) - gat(x)).abs().max() > 1e-3
    assert (gat(x, gate) - gat(x, None, mask)).abs().max() > 1e-3  # a closed gate is not a missing edge: no renormalisation


def test_attention_agrees_with_the_formula_written_out() -> None:
    gat, x, gate = PunishGAT(8, 2).eval(), torch.randn(2, 3, 8), torch.rand(2, 3)
    outputs = []
    for head in gat.heads:
        values = head.W(x)
        rows = [[head.a(torch.cat([values[:, i], values[:, j]], -1)) for j in range(3)] for i in range(3)]
        logits = torch.stack([torch.cat(row, -1) for row in rows], 1)
        alpha = torch.softmax(F.leaky_relu(logits, 0.01), -1)
        outputs.append(F.elu(alpha @ (gate[..., None] * values)))
    torch.testing.assert_close(gat(x, gate), torch.cat(outputs, -1))


def test_several_graphs_at_once_equal_each_alone() -> None:
    gats = [PunishGAT(8, 2).eval() for _ in range(4)]
    x, gate = torch.randn(4, 3, 5, 8), torch.rand(4, 3, 5)
    together = attend(gats, x, gate)
    for number, gat in enumerate(gats):
        torch.testing.assert_close(together[number], gat(x[number], gate[number]))


def test_masks_of_graphs_run_together_are_independent() -> None:
    gat = PunishGAT(8, 2).train()
    x = torch.randn(3, 5, 8)
    out = attend([gat, gat], torch.stack([x, x]), None)
    assert not torch.equal(out[0], out[1])


def test_a_missing_edge_carries_nothing() -> None:
    gat, x = PunishGAT(8, 2).eval(), torch.randn(1, 4, 8)
    edges = torch.ones(4, 4)
    edges[0, 3] = 0.0
    moved = x.clone()
    moved[:, 3] += 1.0
    assert torch.equal(gat(x, None, edges)[:, 0], gat(moved, None, edges)[:, 0])
    assert not torch.equal(gat(x)[:, 0], gat(moved)[:, 0])


def words(lengths: list[int], steps: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    size = torch.tensor(lengths)
    present = (torch.arange(steps) < size[:, None])[..., None]
    return torch.randn(len(lengths), steps, 5), torch.randn(len(lengths), steps, 8) * present, size


def test_padding_gets_no_attention_but_takes_part_in_the_softmax_as_published() -> None:
    attention = WordAttention(8)
    vectors, states, lengths = words([2, 6, 1])
    _, weights = attention(vectors, states, lengths)
    assert not weights[0, 2:].any() and not weights[2, 1:].any()
    _, wider = attention(F.pad(vectors, (0, 0, 0, 20)), F.pad(states, (0, 0, 0, 20)), lengths)
    shift = (wider[:, :6] - weights).abs().max()
    assert 0 < shift < 1e-3


def test_the_fixed_softmax_does_not_see_padding() -> None:
    attention = WordAttention(8, word_softmax="fixed")
    vectors, states, lengths = words([2, 6, 1])
    _, weights = attention(vectors, states, lengths)
    _, wider = attention(F.pad(vectors, (0, 0, 0, 20)), F.pad(states, (0, 0, 0, 20)), lengths)
    torch.testing.assert_close(wider[:, :6], weights)
    torch.testing.assert_close(weights.sum(1), torch.ones(3))


def test_a_gate_is_one_number_between_zero_and_one_per_clip() -> None:
    gate = QueryPunishment(5, 8)(torch.randn(3, 5), torch.randn(3, 4, 8))
    assert gate.shape == (3, 4) and gate.min() > 0 and gate.max() < 1


def test_the_batched_recurrence_equals_pytorchs_lstm(monkeypatch: pytest.MonkeyPatch) -> None:
    lstms = [BiLSTM(5, 4).double(), BiLSTM(5, 4).double()]
    x = torch.randn(5, 7, 5, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([3, 7, 1, 7, 5])
    results = []
    for by_scan in (True, False):
        monkeypatch.setattr(bilstm, "_by_scan", lambda _x, answer=by_scan: answer)
        states = [tensor for one in read(lstms, x, lengths) for tensor in one] + [lstms[0].last(x.transpose(0, 1))]
        generator = torch.Generator().manual_seed(1)
        loss = sum((state * torch.randn(state.shape, generator=generator, dtype=torch.float64)).sum() for state in states)
        inputs = [x, *lstms[0].parameters(), *lstms[1].parameters()]
        results.append([*states, *torch.autograd.grad(loss, inputs)])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_gradients_of_a_recurrence_can_be_taken_once() -> None:
    states = BiLSTM(5, 4).last(torch.randn(7, 3, 5))
    states.sum().backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="taken already"):
        states.sum().backward()


@pytest.mark.parametrize(("index", "lot"), [(None, 1), (None, 1 << 17), ([2, 0, 2, 1], 200)])
def test_frames_are_dropped_alike_however_many_are_worked_on_at_a_time(
    index: list[int] | None, lot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visual, "LOT", lot)
    encoder, frames = AppearanceEncoder(7, 8).train(), torch.randn(3, 5, 3, 7)
    chosen = None if index is None else torch.tensor(index)
    results = []
    for wanted in (False, True):  # where gradients of the frames are wanted, all of them are worked on at once
        torch.manual_seed(1)
        out = encoder(frames.clone().requires_grad_(wanted), chosen)
        results.append([out, *torch.autograd.grad(out.square().sum(), list(encoder.parameters()))])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)
