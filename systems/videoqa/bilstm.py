"""One-layer bidirectional LSTM over whole sequences (PyTorch's parameters and names)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class BiLSTM(nn.LSTM):
    """Bidirectional LSTM of one layer; gates in the order i, f, g, o."""

    def __init__(self, input_dim: int, hidden_dim: int) -> None:
        super().__init__(input_dim, hidden_dim, batch_first=True, bidirectional=True)

    def read(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return all states (B,T,2h), zero beyond each length, and the last states (B,2h) of both directions."""
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        states, (hidden, _) = self(packed)
        states, _ = pad_packed_sequence(states, batch_first=True, total_length=x.shape[1])
        return states, torch.cat([hidden[0], hidden[1]], dim=1)

    def last(self, x: Tensor) -> Tensor:
        """Return the last states (B,2h) of both directions of full sequences ``x`` (B,T,input)."""
        _, (hidden, _) = self(x)
        return torch.cat([hidden[0], hidden[1]], dim=1)
