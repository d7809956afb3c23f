"""FlowNet 2.0 as it is published: one network, or a cascade in which each warps the second frame by the flow so far and looks again.

Ilg et al., CVPR 2017, figure 2. ``forward`` takes frames (B, 3, 2, H, W), RGB 0..255, the pair in dimension 2; sides are multiples of
64. In evaluation mode all return the flow (B, 2, H, W) in pixels, from the first frame to the second. ``forward_features`` does, of
normalised frames (B, 6, H, W) as :func:`normalised` makes them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from models.experts.flownet2_nets import FlowNetC, FlowNetFusion, FlowNetS, FlowNetSD
from models.experts.flownet2_operators import channelnorm, resample2d

fx.wrap("channelnorm")
fx.wrap("resample2d")


def normalised(frames: Tensor, rgb_max: float = 255.0) -> Tensor:
    """Frames (B, 3, 2, H, W) less the mean colour of the pair, by ``rgb_max``, as (B, 6, H, W): first frame, second frame."""
    x = (frames - frames.mean((2, 3, 4), keepdim=True)) / rgb_max
    return torch.cat((x[:, :, 0], x[:, :, 1]), 1)


def _up(flow: Tensor, mode: str) -> Tensor:
    """Four times as large."""
    return F.interpolate(flow, scale_factor=4, mode=mode, align_corners=False if mode == "bilinear" else None)


def _error(x: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
    """The second frame warped by ``flow``, and how far its colours are from the first frame's."""
    warped = resample2d(x[:, 3:], flow)
    return warped, channelnorm(x[:, :3] - warped)


class _Model(nn.Module):
    """What the models share."""

    #: pixels of one unit of the networks' flow; largest value of a colour
    div_flow: float = 20.0
    rgb_max: float = 255.0

    def forward(self, frames: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The flow of frames."""
        return self.forward_features(normalised(frames, self.rgb_max))

    def forward_features(self, x: Tensor) -> Tensor:
        """The flow of normalised frames."""
        raise NotImplementedError


class _Alone(_Model):
    """One network, whose entries of the state dict have no prefix. In training mode it returns the flows of all levels as they are."""

    def forward(self, frames: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The flow of frames."""
        x = normalised(frames, self.rgb_max)
        return self.flows(x) if self.training else self.forward_features(x)  # type: ignore[operator, no-any-return]

    def forward_features(self, x: Tensor) -> Tensor:
        """The flow of normalised frames."""
        return _up(self.finest(x) * self.div_flow, "bilinear")  # type: ignore[operator]


class FlowNet2S(_Alone, FlowNetS):
    """FlowNet2-S."""

    def __init__(self, batch_norm: bool = False) -> None:
        super().__init__(6, batch_norm)


class FlowNet2C(_Alone, FlowNetC):
    """FlowNet2-C."""


class FlowNet2SD(_Alone, FlowNetSD):
    """FlowNet2-SD."""


class FlowNet2CS(_Model):
    """FlowNet2-CS: C, then S on what it has made of the second frame."""

    def __init__(self, batch_norm: bool = False) -> None:
        super().__init__()
        self.flownetc = FlowNetC(batch_norm)
        self.flownets_1 = FlowNetS(12, batch_norm)

    def forward_features(self, x: Tensor) -> Tensor:
        """The flow of normalised frames."""
        flow = _up(self.flownetc.finest(x) * self.div_flow, "bilinear")
        return _up(self.flownets_1.finest(self._again(x, flow)) * self.div_flow, "bilinear")

    def _again(self, x: Tensor, flow: Tensor) -> Tensor:
        """Input of the next network: the frames, what ``flow`` makes of the second, the flow, the error (12 channels)."""
        warped, error = _error(x, flow)
        return torch.cat((x, warped, flow / self.div_flow, error), 1)


class FlowNet2CSS(FlowNet2CS):
    """FlowNet2-CSS: another S, whose flow is enlarged without smoothing."""

    def __init__(self, batch_norm: bool = False) -> None:
        super().__init__(batch_norm)
        self.flownets_2 = FlowNetS(12, batch_norm)

    def forward_features(self, x: Tensor) -> Tensor:
        """The flow of normalised frames."""
        flow = FlowNet2CS.forward_features(self, x)
        return _up(self.flownets_2.finest(self._again(x, flow)) * self.div_flow, "nearest")


class FlowNet2(FlowNet2CSS):
    """FlowNet2: CSS for large displacements and SD for small ones, fused. SD's flow is divided where the others' are multiplied."""

    def __init__(self, batch_norm: bool = False) -> None:
        super().__init__(batch_norm)
        self.flownets_d = FlowNetSD(batch_norm)
        self.flownetfusion = FlowNetFusion(batch_norm)

    def forward_features(self, x: Tensor) -> Tensor:
        """The flow of normalised frames."""
        large = FlowNet2CSS.forward_features(self, x)
        small = _up(self.flownets_d.finest(x) / self.div_flow, "nearest")
        lengths, errors = [channelnorm(flow) for flow in (small, large)], [_error(x, flow)[1] for flow in (small, large)]
        fused: Tensor = self.flownetfusion(torch.cat((x[:, :3], small, large, *lengths, *errors), 1))
        return fused
