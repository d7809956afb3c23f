"""FlowNet 2.0 and its parts as experts; the networks are in :mod:`models.experts.flownet2_models`."""

from __future__ import annotations

from torch import Tensor

from models.experts import flownet2_models as models
from models.experts.flow_fit import Fit
from models.experts.flow_network import FlowExpert, with_weights
from models.experts.flownet2_merged import merge
from models.experts.running import Setup

#: sides are multiples of it
MULTIPLE = 64
#: floats of maps for a pixel, at once at most: full-size maps of SD and the fusion, which the others lack
FLOATS, FLOATS_OF_C_AND_S = 320, 160


def expert(setup: Setup, network: str) -> FlowExpert:
    """The expert of the class ``network``. Raises ConfigError for an unknown ``size_rule``, DataError for a file that does not fit."""
    fit = Fit(setup.options.get("size_rule", "resize"), setup.height, setup.width, MULTIPLE)
    net = merge(with_weights(getattr(models, network), setup.weights, setup.seed))
    floats = FLOATS if network in ("FlowNet2", "FlowNet2SD") else FLOATS_OF_C_AND_S
    return FlowExpert(net, setup, fit, to_input, 4 * floats * fit.size[0] * fit.size[1], network)


def to_input(frames: Tensor) -> Tensor:
    """Frames (2 B, 3, H, W), pair by pair, to input (B, 6, H, W)."""
    pairs = frames.unflatten(0, (-1, 2)).transpose(1, 2)
    return models.normalised(pairs)
