"""Cases of `derive.py`: skeletons. FastPose on crops, beside the same steps for one crop at a time."""

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
#: frames, of which each is one person's box
SIZE = (240, 320)


def fastpose() -> Any:
    """The network as it is written, with random weights that keep its maps alive."""
    import torch

    from models.experts.fastpose import FastPose

    torch.manual_seed(SEED)
    net = FastPose()
    for name, value in net.state_dict().items():
        if value.dim() > 1:
            value.normal_().div_(math.sqrt(math.prod(value.shape[1:])))
        elif name.endswith("running_var"):
            value.uniform_(1.0, 1.4)
        elif value.is_floating_point() and not name.endswith("weight"):
            value.normal_().mul_(0.1)
    return net.eval()


def plain_fastpose(threads: int) -> Callable[[Array], Array]:
    """One crop at a time: cut out, normalised, through the network, its maps decoded."""
    import torch

    from models.experts import pose_crops

    net = fastpose()

    def joints(frame: Array) -> Array:
        height, width = frame.shape[:2]
        centre, size = pose_crops.centre_and_size(np.array([[0, 0, width, height]], np.float32))
        crop = pose_crops.crop(frame, centre[0], size[0])
        x = torch.from_numpy(np.ascontiguousarray(pose_crops.network_input(crop[None])))
        places, scores = pose_crops.joints_of(net(x).numpy(), pose_crops.crop_boxes(centre, size))
        return compared(np.concatenate([places[0], scores[0]], 1))

    return joints


def our_fastpose(plan: Any) -> Any:
    """The expert, with the same weights from a file, which another process writes: its memory is not ours."""
    from models.experts.registry import build
    from models.experts.running import Setup

    options = {"detector": "whole", "pose_nms": False}
    with tempfile.TemporaryDirectory(prefix="kdpipe-fastpose-") as work:
        weights = Path(work) / "fastpose.safetensors"
        subprocess.run([sys.executable, __file__, str(weights)], check=True)
        return build("alphapose-fastpose50", Setup(*SIZE, plan, weights=weights, options=options))


def joints_of(people: Any) -> Array:
    """The one person of a frame: x, y, score of 17 joints."""
    return compared(people.keypoints[0])


def compared(joints: Array) -> Array:
    """Places in parts of the frame, so that they weigh no more than scores."""
    return joints / np.array([SIZE[1], SIZE[0], 1])


CASES: dict[str, Case] = {
    "alphapose-fastpose50": Case("a crop of a frame of 320 x 240", moving(*SIZE, 1), plain_fastpose, our_fastpose, joints_of),
}

if __name__ == "__main__":
    from safetensors.torch import save_file

    save_file(fastpose().state_dict(), sys.argv[1])
