"""A detector over all windows of a video: raw outputs, one window at a time, of one network or of rgb and flow fused (spec 6.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cache.errors import DataError
from systems.gkd.detection.decode import Outputs, fused
from systems.gkd.detection.transforms import CROP, Array, centre_windows
from systems.gkd.detection.windows import LENGTH, TEST_STRIDE, offsets

#: A clip (1, C, T, side, side) to what has the fields of :class:`systems.gkd.detection.decode.Outputs`, of one window.
Network = Callable[[Tensor], Any]


@torch.inference_mode()
def outputs(
    network: Network, array: Array, *, length: int = LENGTH, stride: int = TEST_STRIDE, side: int = CROP, padding: str = "grey"
) -> tuple[Outputs, list[int]]:
    """What ``network`` says of the windows of ``array`` (T, H, W, C), and where they begin.

    Windows do not share a batch, since attention is weighted by its sum over the batch (D4): the outputs of one would depend on the others.
    """
    begins = offsets(len(array), stride, length)
    said = [network(torch.from_numpy(clip[None])) for clip in centre_windows(array, begins, length, side, padding=padding)]
    *parts, _ = (np.concatenate([_array(getattr(one, name)) for one in said]) for name in Outputs._fields)
    return Outputs(*parts, _array(said[0].priors).reshape(-1, 1)), begins


def fused_outputs(networks: Mapping[str, Network], arrays: Mapping[str, Array], **options: Any) -> tuple[Outputs, list[int]]:
    """The same of one network a modality; of ``rgb`` and ``flow``, averaged. Raises DataError for a modality without an array."""
    missing = [modality for modality in networks if modality not in arrays]
    if missing:
        raise DataError(f"the video has no {' and no '.join(missing)}")
    found = {modality: outputs(network, arrays[modality], **options) for modality, network in networks.items()}
    if len(found) == 1:
        return next(iter(found.values()))
    (rgb, begins), (flow, _) = found["rgb"], found["flow"]
    return fused(rgb, flow), begins


def _array(value: Tensor) -> npt.NDArray[np.float32]:
    return value.float().cpu().numpy()
