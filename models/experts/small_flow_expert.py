"""small-flow as an expert: frames are padded to what its strides divide."""

from __future__ import annotations

from torch import Tensor

from models.experts.flow_fit import Fit
from models.experts.flow_network import FlowExpert, with_weights
from models.experts.running import Setup
from models.experts.small_flow import MULTIPLE, SmallFlow, normalised

#: floats of maps for a pixel of the input, at once at most
FLOATS = 100


def small(setup: Setup) -> FlowExpert:
    """small-flow, the network of the embedded world. Raises DataError for a file that does not fit."""
    fit = Fit("pad", setup.height, setup.width, MULTIPLE)
    net = with_weights(SmallFlow, setup.weights, setup.seed)
    return FlowExpert(net, setup, fit, to_input, 4 * FLOATS * fit.size[0] * fit.size[1], "small-flow")


def to_input(frames: Tensor) -> Tensor:
    """Frames (2 B, 3, H, W), 0..255, pair by pair, to input (B, 6, H, W)."""
    return normalised(frames.unflatten(0, (-1, 2)))
