"""AdaBins as an expert: its weights, its working size, its batches."""

from __future__ import annotations

import torch

from models.experts.adabins import AdaBins, read_adabins
from models.experts.adabins_inference import SETTINGS, Predicted
from models.experts.adabins_quick import QuickAdaBins
from models.experts.adabins_size import adabins_size
from models.experts.depth import DepthExpert
from models.experts.running import Expert, Setup

#: pictures that go through at once: their maps take half a gigabyte each
ON_CPU, ON_GPU = 1, 8
#: runtimes that compute operation by operation, for which what is linear is multiplied out beforehand
MULTIPLIED_OUT = ("eager", "winograd")


def adabins(setup: Setup, setting: str) -> Expert:
    """AdaBins for indoor scenes (``"nyu"``: to 10 m) or roads (``"kitti"``: to 80 m). Options: ``working``, ``mirror``."""
    known = SETTINGS[setting]
    size = adabins_size(setup.height, setup.width, int(setup.options.get("working", 0)))
    if setup.weights is None:
        torch.manual_seed(setup.seed)
        net = AdaBins(nearest=known.nearest, farthest=known.farthest).eval()
    else:
        net = read_adabins(setup.weights, known.nearest, known.farthest)
    on_cpu = setup.plan.device == "cpu"
    # a GPU, and compilers that see the whole network, would rather have few large operations
    seeing = QuickAdaBins(net, *size) if on_cpu and setup.plan.runtime in MULTIPLIED_OUT else net
    predicted = Predicted(seeing, setup.height, setup.width, mirror=bool(setup.options.get("mirror", False)))
    rows = ON_CPU if on_cpu else ON_GPU
    return DepthExpert(predicted, setup, size, "imagenet", f"adabins-{setting}", rows)
