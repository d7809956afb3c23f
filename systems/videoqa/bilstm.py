"""One-layer bidirectional LSTMs over whole sequences, with PyTorch's parameters and names.

Where gradients are wanted on a CPU the recurrence runs in :mod:`systems.videoqa.scan`, elsewhere in PyTorch's own LSTM; the
two agree up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from systems.videoqa.scan import ifog, scan


class Read(NamedTuple):
    """``states`` (B,T,2h), zero beyond each length; ``last`` (B,2h), the last state of both directions."""

    states: Tensor
    last: Tensor


class BiLSTM(nn.LSTM):
    """Bidirectional LSTM of one layer."""

    def __init__(self, input_dim: int, hidden_dim: int) -> None:
        super().__init__(input_dim, hidden_dim, batch_first=True, bidirectional=True)

    def last(self, x: Tensor) -> Tensor:
        """Return the last states (B,2h) of both directions of full sequences ``x`` (B,T,input)."""
        if _by_scan(x):
            ahead = x.transpose(0, 1)
            states = _states([self], torch.stack([ahead, ahead.flip(0)]))
            return states[:, -1].transpose(0, 1).flatten(1)
        _, (hidden, _) = self(x)
        return hidden.transpose(0, 1).flatten(1)


def read(lstms: Sequence[BiLSTM], x: Tensor, lengths: Tensor) -> list[Read]:
    """Read the same sequences ``x`` (B,T,input) of ``lengths`` (B,) int64 on the CPU, at least 1, by several LSTMs of one shape."""
    if not _by_scan(x):
        return [_read_packed(lstm, x, lengths) for lstm in lstms]
    rows, steps = x.shape[:2]
    order = _reversal(lengths, steps)
    ahead = x.transpose(0, 1)
    back = x[torch.arange(rows)[:, None], order].transpose(0, 1)
    states = _states(lstms, torch.stack([ahead, back] * len(lstms))).transpose(1, 2)  # (2L,B,T,h)
    last = states[:, torch.arange(rows), lengths - 1]
    states = states * (torch.arange(steps) < lengths[:, None])[:, :, None]
    results = []
    for forth, turned, end, start in zip(states[::2], states[1::2], last[::2], last[1::2]):
        results.append(Read(torch.cat([forth, turned[torch.arange(rows)[:, None], order]], dim=-1), torch.cat([end, start], dim=-1)))
    return results


def _by_scan(x: Tensor) -> bool:
    return x.device.type == "cpu" and torch.is_grad_enabled()


def _reversal(lengths: Tensor, steps: int) -> Tensor:
    """Index (B,T) that reverses each sequence within its length and leaves the padding where it is (its own inverse)."""
    step = torch.arange(steps)
    mirrored = lengths[:, None] - 1 - step
    return torch.where(mirrored >= 0, mirrored, step)


def _states(lstms: Sequence[BiLSTM], x: Tensor) -> Tensor:
    """All states (2L,T,B,h) of both directions of L LSTMs, for inputs (2L,T,B,input) in each direction's own order."""
    sides = [(lstm, side) for lstm in lstms for side in ("", "_reverse")]
    inward = torch.stack([ifog(getattr(lstm, f"weight_ih_l0{side}")) for lstm, side in sides])
    recurrent = torch.stack([ifog(getattr(lstm, f"weight_hh_l0{side}")) for lstm, side in sides])
    bias = torch.stack([ifog(getattr(lstm, f"bias_ih_l0{side}") + getattr(lstm, f"bias_hh_l0{side}")) for lstm, side in sides])
    gates = torch.baddbmm(bias[:, None], x.flatten(1, 2), inward.transpose(1, 2))
    return scan(gates.unflatten(1, x.shape[1:3]), recurrent)


def _read_packed(lstm: BiLSTM, x: Tensor, lengths: Tensor) -> Read:
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    states, (hidden, _) = lstm(packed)
    states, _ = pad_packed_sequence(states, batch_first=True, total_length=x.shape[1])
    return Read(states, hidden.transpose(0, 1).flatten(1))
