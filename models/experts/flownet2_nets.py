"""The networks of FlowNet 2.0: S (two frames stacked), C (correlation), SD (small displacements), and the fusion of two flows.

Ilg et al., "FlowNet 2.0: Evolution of Optical Flow Estimation with Deep Networks", CVPR 2017; S and C are of FlowNet (ICCV 2015). Input is
normalised, frames one after the other in the channels; sides are multiples of 64. In training mode S, C and SD return the flows of
all levels, the finest (a quarter of the input) first, in evaluation mode a tuple of the finest; in units of 20 pixels, SD of 1/20.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, fx

from models.experts.flownet2_operators import correlation
from models.experts.flownet2_refinement import SLOPE, Refinement, conv

fx.wrap("correlation")  # it computes with shapes: a part of its own wherever the network is traced

DECONVS = {5: 512, 4: 256, 3: 128, 2: 64}


class _Pyramid(Refinement):
    """A network whose levels are named by numbers, of strides 2, 4, ... 64."""

    def flows(self, x: Tensor) -> tuple[Tensor, ...]:
        """Flows of all levels, the finest first."""
        raise NotImplementedError

    def finest(self, x: Tensor) -> Tensor:
        """The finest flow (B, 2, H / 4, W / 4)."""
        return self.flows(x)[0]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Flows as the module says."""
        flows = self.flows(x)
        return flows if self.training else flows[:1]

    def _add_top(self, first: int, batch_norm: bool) -> None:
        """Levels 4 to 6, of a map of ``first`` channels."""
        for level, (inputs, outputs) in {4: (first, 512), 5: (512, 512), 6: (512, 1024)}.items():
            self.add_module(f"conv{level}", conv(inputs, outputs, 3, 2, batch_norm))
            self.add_module(f"conv{level}_1", conv(outputs, outputs, 3, 1, batch_norm))

    def _from_third(self, c2: Tensor, c3: Tensor) -> tuple[Tensor, ...]:
        """The rest, from level 3 on."""
        maps = {2: c2, 3: c3}
        for level in (4, 5, 6):
            maps[level] = self._layer(f"conv{level}_1")(self._layer(f"conv{level}")(maps[level - 1]))
        return self.refine(maps[6], maps)


class FlowNetS(_Pyramid):
    """ "Simple": 6 channels, or 12 in the cascades."""

    def __init__(self, input_channels: int = 12, batch_norm: bool = False) -> None:
        super().__init__()
        self.conv1 = conv(input_channels, 64, 7, 2, batch_norm)
        self.conv2 = conv(64, 128, 5, 2, batch_norm)
        self.conv3 = conv(128, 256, 5, 2, batch_norm)
        self.conv3_1 = conv(256, 256, 3, 1, batch_norm)
        self._add_top(256, batch_norm)
        self.add_refinement((6, 1024), {5: 512, 4: 512, 3: 256, 2: 128}, DECONVS, upflow_bias=False)

    def flows(self, x: Tensor) -> tuple[Tensor, ...]:
        """See the base."""
        c2 = self.conv2(self.conv1(x))
        return self._from_third(c2, self.conv3_1(self.conv3(c2)))


class FlowNetC(_Pyramid):
    """ "Correlation": both frames through the same layers, then compared at displacements of up to 20 cells of stride 8."""

    def __init__(self, batch_norm: bool = False) -> None:
        super().__init__()
        self.conv1 = conv(3, 64, 7, 2, batch_norm)
        self.conv2 = conv(64, 128, 5, 2, batch_norm)
        self.conv3 = conv(128, 256, 5, 2, batch_norm)
        self.conv_redir = conv(256, 32, 1, 1, batch_norm)
        self.conv3_1 = conv(473, 256, 3, 1, batch_norm)
        self._add_top(256, batch_norm)
        self.add_refinement((6, 1024), {5: 512, 4: 512, 3: 256, 2: 128}, DECONVS)

    def flows(self, x: Tensor) -> tuple[Tensor, ...]:
        """See the base."""
        both = self.conv2(self.conv1(torch.cat((x[:, :3], x[:, 3:]))))  # as one batch
        c2 = both.chunk(2)[0]
        first, second = self.conv3(both).chunk(2)
        compared = F.leaky_relu(correlation(first, second), SLOPE)
        return self._from_third(c2, self.conv3_1(torch.cat((self.conv_redir(first), compared), 1)))


class FlowNetSD(_Pyramid):
    """ "Small displacements": 3x3 kernels alone, and a smoothing convolution before each flow is read off."""

    def __init__(self, batch_norm: bool = False) -> None:
        super().__init__()
        self.conv0 = conv(6, 64, 3, 1, batch_norm)
        self.conv1 = conv(64, 64, 3, 2, batch_norm)
        self.conv1_1 = conv(64, 128, 3, 1, batch_norm)
        self.conv2 = conv(128, 128, 3, 2, batch_norm)
        self.conv2_1 = conv(128, 128, 3, 1, batch_norm)
        self.conv3 = conv(128, 256, 3, 2, batch_norm)
        self.conv3_1 = conv(256, 256, 3, 1, batch_norm)
        self._add_top(256, batch_norm)
        smooth = {5: 512, 4: 256, 3: 128, 2: 64}
        self.add_refinement((6, 1024), {5: 512, 4: 512, 3: 256, 2: 128}, DECONVS, smooth, batch_norm=batch_norm)

    def flows(self, x: Tensor) -> tuple[Tensor, ...]:
        """See the base."""
        c1 = self.conv1_1(self.conv1(self.conv0(x)))
        c2 = self.conv2_1(self.conv2(c1))
        return self._from_third(c2, self.conv3_1(self.conv3(c2)))


class FlowNetFusion(Refinement):
    """One flow of two: input is the first frame, both flows, their lengths and their errors (11 channels); output in pixels, full size."""

    def __init__(self, batch_norm: bool = False) -> None:
        super().__init__()
        self.conv0 = conv(11, 64, 3, 1, batch_norm)
        self.conv1 = conv(64, 64, 3, 2, batch_norm)
        self.conv1_1 = conv(64, 128, 3, 1, batch_norm)
        self.conv2 = conv(128, 128, 3, 2, batch_norm)
        self.conv2_1 = conv(128, 128, 3, 1, batch_norm)
        self.add_refinement((2, 128), {1: 128, 0: 64}, {1: 32, 0: 16}, {1: 32, 0: 16}, batch_norm=batch_norm)

    def forward(self, x: Tensor) -> Tensor:
        """The finest flow (B, 2, H, W), in training mode too."""
        c0 = self.conv0(x)
        c1 = self.conv1_1(self.conv1(c0))
        return self.refine(self.conv2_1(self.conv2(c1)), {1: c1, 0: c0})[0]
