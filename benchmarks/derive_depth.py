"""Cases of `derive.py`: depth."""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from derive import SEED, Case, moving

Array = npt.NDArray[Any]
#: NYU's pictures
SIZE = (480, 640)


def adabins() -> Any:
    """The network as it is written, with random weights that keep its maps alive."""
    import torch

    from models.experts.adabins import AdaBins

    torch.manual_seed(SEED)
    net = AdaBins()
    for name, value in net.state_dict().items():
        if value.dim() > 1:
            value.normal_().div_(math.sqrt(math.prod(value.shape[1:])))
        elif name.endswith("running_var"):
            value.uniform_(0.8, 1.2)
        elif value.is_floating_point() and not name.endswith("weight"):
            value.normal_().mul_(0.1)
    return net.eval()


def plain_adabins(threads: int) -> Callable[[Array], Array]:
    """One picture at a time: normalised in float64, through the network, cut to its range, resized to the picture."""
    import torch
    import torch.nn.functional as F

    net = adabins()
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])

    def depth(frame: Array) -> Array:
        x = torch.from_numpy(((frame / 255 - mean) / std).astype(np.float32).transpose(2, 0, 1)[None].copy())
        metres = net(x)[1].clamp(net.nearest, net.farthest)
        return np.asarray(F.interpolate(metres, frame.shape[:2], mode="bilinear", align_corners=True)[0, 0].numpy())

    return depth


def our_adabins(plan: Any) -> Any:
    """The expert, with the same weights from a file, which another process writes: its memory is not ours."""
    from models.experts.registry import build
    from models.experts.running import Setup

    with tempfile.TemporaryDirectory(prefix="kdpipe-adabins-") as work:
        weights = Path(work) / "adabins.safetensors"
        subprocess.run([sys.executable, __file__, str(weights)], check=True)
        return build("adabins-nyu", Setup(*SIZE, plan, weights=weights))


CASES: dict[str, Case] = {
    "adabins-nyu": Case("a frame of 640 x 480", moving(*SIZE, 1), plain_adabins, our_adabins),
}

if __name__ == "__main__":
    from safetensors.torch import save_file

    save_file(adabins().state_dict(), sys.argv[1])
