"""What FlowNet's networks are made of: convolutions with a leaky ReLU, and the refinement from a coarse flow to a fine one.

Dosovitskiy et al., "FlowNet: Learning Optical Flow with Convolutional Networks", ICCV 2015, figure 3. Names of parameters are those of the
published PyTorch checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

SLOPE = 0.1


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, batch_norm: bool = False) -> nn.Sequential:
    """Convolution that keeps the size up to its stride, batch normalisation or a bias, leaky ReLU."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, bias=not batch_norm)
    norm = (nn.BatchNorm2d(outputs),) if batch_norm else ()
    return nn.Sequential(layer, *norm, nn.LeakyReLU(SLOPE, inplace=True))


def _smooth(inputs: int, outputs: int, batch_norm: bool) -> nn.Sequential:
    """Convolution with a bias before a flow is read off, without activation."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, 1, 1), *((nn.BatchNorm2d(outputs),) if batch_norm else ()))


class OfParts(nn.Module):
    """A layer in the place of ``inter_conv`` that takes the encoder's map and what else there is apart from one another."""


class Refinement(nn.Module):
    """From the coarsest map to finer ones: at each level a flow is read off (``predict_flow``), and goes up with the map itself."""

    def add_refinement(
        self,
        coarsest: tuple[int, int],
        skips: Mapping[int, int],
        deconvs: Mapping[int, int],
        smooth: Mapping[int, int] | None = None,
        upflow_bias: bool = True,
        batch_norm: bool = False,
    ) -> None:
        """Add the layers: ``coarsest`` (level, channels); then for each level the channels of the encoder's map and of ``deconv``.

        ``smooth`` gives the channels of ``inter_conv``, after which flows are read off; without it, they are read off the map itself.
        """
        level, inputs = coarsest
        self.levels, self.skips = tuple(deconvs), dict(skips)
        self.smooth = smooth is not None
        self.add_module(f"predict_flow{level}", nn.Conv2d(inputs, 2, 3, 1, 1))
        for level, outputs in deconvs.items():
            up = nn.Sequential(nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), nn.LeakyReLU(SLOPE, inplace=True))
            self.add_module(f"deconv{level}", up)
            self.add_module(f"upsampled_flow{level + 1}_to_{level}", nn.ConvTranspose2d(2, 2, 4, 2, 1, bias=upflow_bias))
            inputs = read = skips[level] + outputs + 2
            if smooth is not None:
                read = smooth[level]
                self.add_module(f"inter_conv{level}", _smooth(inputs, read, batch_norm))
            self.add_module(f"predict_flow{level}", nn.Conv2d(read, 2, 3, 1, 1))

    def refine(self, x: Tensor, skips: Mapping[int, Tensor]) -> tuple[Tensor, ...]:
        """Flows from the finest to the coarsest, of the coarsest map ``x`` and the encoder's map of each level."""
        flows = [self._layer(f"predict_flow{self.levels[0] + 1}")(x)]
        for level in self.levels:
            flow = self._layer(f"upsampled_flow{level + 1}_to_{level}")(flows[-1])
            rest = self._layer(f"deconv{level}")(x), flow
            smooth = self._layer(f"inter_conv{level}") if self.smooth else None
            if isinstance(smooth, OfParts):  # of the last level, after which nothing else looks at the map
                read = smooth(skips[level], torch.cat(rest, 1))
            else:
                x = torch.cat((skips[level], *rest), 1)
                read = x if smooth is None else smooth(x)
            flows.append(self._layer(f"predict_flow{level}")(read))
        return tuple(reversed(flows))

    def _layer(self, name: str) -> nn.Module:
        layer: nn.Module = getattr(self, name)
        return layer
