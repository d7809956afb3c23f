"""RTMPose (Jiang et al., 2023) from a local ONNX file, by ONNX Runtime: a joint is where two lists, one for x and one for y, are largest.

The steps around the network are those of rtmlib 0.0.16, but pictures are RGB, as its means and deviations are (rtmlib gives the network
what it is given). rtmlib itself is not used: it installs two further builds of OpenCV into the folder of the headless one
(findings/rtmlib_and_opencv.sh), prints, and downloads a file that is not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.errors import ConfigError, DataError
from cache.given import plain_file
from models.experts import pose_crops
from models.experts.detectors import detector
from models.experts.running import Expert, Setup
from models.experts.top_down import Crops, TopDown
from models.inference.in_order import in_order
from models.inference.infer import Plan, one_thread

Floats = npt.NDArray[np.float32]

#: of red, green and blue, 0..255
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


class Lists:
    """The network as :data:`models.experts.top_down.Poses`: one crop at a time in each lane, as rtmlib has it."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self._session = open_session(path, plan.device)
        self._plan = plan
        self._input = self._session.get_inputs()[0]
        _, channels, height, width = self._input.shape
        outputs = self._session.get_outputs()
        if channels != 3 or not isinstance(height, int) or not isinstance(width, int) or len(outputs) != 2:
            raise DataError(
                f"{path} is no RTMPose: it takes {self._input.shape} and gives {len(outputs)} outputs",
                hint="an RTMPose of 17 joints takes (1, 3, height, width) and gives simcc_x and simcc_y",
            )
        self.size = height, width

    def __call__(self, works: Iterator[Crops]) -> Iterable[Floats]:
        """See :data:`models.experts.top_down.Poses`."""
        return in_order(self._all, works, self._plan.lanes, one_thread)

    def _all(self, work: Crops) -> Floats:
        centre, size = pose_crops.centre_and_size(work.boxes(), *self.size)
        said = [self._look(crop) for crop in work.cut(*self.size)]
        return joints_of(np.concatenate([x for x, _ in said]), np.concatenate([y for _, y in said]), centre, size, self.size)

    def _look(self, crop: npt.NDArray[np.uint8]) -> tuple[Floats, Floats]:
        x = ((crop - np.float32(MEAN)) / np.float32(STD)).transpose(2, 0, 1)[None]
        one, other = self._session.run(None, {self._input.name: np.ascontiguousarray(x, np.float32)})
        return one, other


def joints_of(along_x: Floats, along_y: Floats, centre: Floats, size: Floats, input_size: tuple[int, int]) -> Floats:
    """Joints (n, 17, 3) from the network's lists (n, joints, length) and the crops' middles and sizes (n, 2).

    The lists are finer than the crop's pixels (twice). A score is the mean of both maxima.
    """
    height, width = input_size
    x, y = along_x.argmax(2) * (width / along_x.shape[2]), along_y.argmax(2) * (height / along_y.shape[2])
    scores = (along_x.max(2) + along_y.max(2)) / 2
    places = np.stack([x / width, y / height], -1) * size[:, None] + centre[:, None] - size[:, None] / 2
    joints: Floats = np.concatenate([places, scores[..., None]], 2)[:, :17].astype(np.float32)
    return joints


def open_session(path: Path, device: str) -> Any:
    """ONNX Runtime's session of a local file, one thread in each call. Raises ConfigError without the package, DataError for a file that
    it cannot read."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError("rtmpose needs ONNX Runtime", hint="pip install kdpipe[pose]") from error
    plain_file(path, f"weights file {path}", hint="kdpipe never downloads weights: fetch the file and give its path")
    if device != "cpu" and "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise ConfigError("this ONNX Runtime computes on the CPU alone", hint="device=cpu, or install onnxruntime-gpu")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    on_gpu = ("CUDAExecutionProvider", {"device_id": int(device.partition(":")[2] or 0)})
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider" if device == "cpu" else on_gpu])
    except Exception as error:
        told = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path} is not an ONNX file that can be read: {told}", hint="rtmpose-*.onnx, unpacked from its zip") from error


def rtmpose(setup: Setup) -> Expert:
    """The expert. Options: ``detector``, ``detector_confidence``, ``pose_nms``. Raises ConfigError without a file: there are no random
    weights of it."""
    if setup.weights is None:
        raise ConfigError("rtmpose is an ONNX file: it has no random weights", hint="name a local rtmpose-*.onnx")
    if setup.plan.precision != "float32" or setup.plan.runtime != "eager":
        raise ConfigError("rtmpose computes by ONNX Runtime in float32", hint="runtime=eager precision=float32")
    if setup.options.get("mirror", False):
        raise ConfigError("rtmpose has no mirrored inference", hint="mirror=false")
    poses = Lists(setup.weights, setup.plan)
    return TopDown(detector(setup), poses, bool(setup.options.get("pose_nms", True)), setup.plan.readers)
