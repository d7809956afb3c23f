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

from systems.videoqa.scan import scan


class Read(NamedTuple):
    """``states`` (B,T,2h), zero beyond each length; ``last`` (B,2h), the last state of both directions."""

    states: Tensor
    last: Tensor


class BiLSTM(nn.LSTM):
    """Bidirectional LSTM of one layer."""

    def __init__(self, input_dim: int, hidden_dim: int) -> None:
        super().__init__(input_dim, hidden_dim, batch_first=True, bidirectional=True)

    def last(self, x: Tensor) -> Tensor:
        """Return the last states (B,2h) of both directions of full sequences ``x`` (T,B,input), step by step."""
        if _by_scan(x):
            return scan(x.flatten(0, 1), [x.shape[1]] * len(x), _parameters([self]))[1]
        _, (hidden, _) = self(x.transpose(0, 1))
        return hidden.transpose(0, 1).flatten(1)


def read(lstms: Sequence[BiLSTM], x: Tensor, lengths: Tensor) -> list[Read]:
    """Read the same sequences ``x`` (B,T,input) of ``lengths`` (B,) int64 on the CPU, at least 1, by several LSTMs of one shape."""
    if not _by_scan(x):
        return [_read_packed(lstm, x, lengths) for lstm in lstms]
    order = lengths.argsort(descending=True, stable=True)
    there = torch.arange(int(lengths.max()))[:, None] < lengths[order]
    places = (torch.arange(len(there))[:, None] + order * x.shape[1])[there]  # in x.flatten(0, 1), packed by time
    found = scan(x.flatten(0, 1).index_select(0, places), there.sum(1).tolist(), _parameters(lstms))
    results = []
    for states, last in zip(found[: len(lstms)], found[len(lstms) :], strict=True):
        padded = states.new_zeros(x.shape[0] * x.shape[1], states.shape[1]).index_copy(0, places, states)
        results.append(Read(padded.unflatten(0, x.shape[:2]), last.index_select(0, order.argsort())))
    return results


def _by_scan(x: Tensor) -> bool:
    return x.device.type == "cpu" and torch.is_grad_enabled()


def _parameters(lstms: Sequence[BiLSTM]) -> list[Tensor]:
    """Those of every direction, as :func:`systems.videoqa.scan.scan` takes them: in PyTorch's own order."""
    return [parameter for lstm in lstms for parameter in lstm.parameters(recurse=False)]


def _read_packed(lstm: BiLSTM, x: Tensor, lengths: Tensor) -> Read:
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    states, (hidden, _) = lstm(packed)
    states, _ = pad_packed_sequence(states, batch_first=True, total_length=x.shape[1])
    return Read(states, hidden.transpose(0, 1).flatten(1))
