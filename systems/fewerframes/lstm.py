"""A stack of LSTM cells with the parameters of the original, run over sequences of different lengths (spec 5.5).

Symbols: N sequences, S steps, H cells. Gate order of a kernel (in + H, 4H): input, new value, forget, output; 1.0 is added to the
forget gate at run time and is not in the stored bias.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from systems.fewerframes.initial import xavier_uniform

FORGET_BIAS = 1.0


class LSTMCell(nn.Module):
    """One layer: ``kernel`` (in + H, 4H) over [x, h], and ``bias`` (4H)."""

    def __init__(self, inputs: int, cells: int) -> None:
        super().__init__()
        self.inputs, self.cells = inputs, cells
        self.kernel = nn.Parameter(xavier_uniform(torch.empty(inputs + cells, 4 * cells)))
        self.bias = nn.Parameter(torch.zeros(4 * cells))

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Run over ``x`` (N,S,in); return h of every step (N,S,H) and the final c and h (N,H).

        Beyond its length a sequence keeps its state; length 0 leaves zeros. The input half of the product is one large product.
        """
        from_input = torch.addmm(self.bias, x.reshape(-1, self.inputs), self.kernel[: self.inputs]).view(*x.shape[:2], -1)
        recurrent = self.kernel[self.inputs :]
        c = h = x.new_zeros(x.shape[0], self.cells)
        running = torch.arange(x.shape[1], device=x.device)[:, None, None] < lengths.to(x.device)[:, None]
        steps = []
        for z, alive in zip(from_input.unbind(1), running):
            i, j, f, o = torch.addmm(z, h, recurrent).chunk(4, dim=1)
            new_c = c * torch.sigmoid(f + FORGET_BIAS) + torch.sigmoid(i) * torch.tanh(j)
            new_h = torch.tanh(new_c) * torch.sigmoid(o)
            c, h = torch.where(alive, new_c, c), torch.where(alive, new_h, h)
            steps.append(h)
        return torch.stack(steps, dim=1), c, h


class StackedLSTM(nn.Module):
    """Layers on top of one another, named as in the checkpoints: ``rnn.multi_rnn_cell.cell_<i>.basic_lstm_cell``."""

    def __init__(self, inputs: int, cells: int, layers: int = 2) -> None:
        super().__init__()
        widths = [inputs, *[cells] * (layers - 1)]
        stack = {f"cell_{i}": nn.ModuleDict({"basic_lstm_cell": LSTMCell(width, cells)}) for i, width in enumerate(widths)}
        self.rnn = nn.ModuleDict({"multi_rnn_cell": nn.ModuleDict(stack)})

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Run over ``x`` (N,S,in) with ``lengths`` (N,); return the final state of the stack, [c0,h0,c1,h1,...] (N, 2 layers H)."""
        states = []
        for layer in self.rnn["multi_rnn_cell"].values():
            x, c, h = layer["basic_lstm_cell"](x, lengths)
            states += [c, h]
        return torch.cat(states, dim=1)
