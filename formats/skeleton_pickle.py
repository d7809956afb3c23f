"""MMAction2's skeleton archives (``ucf101_2d.pkl``, ``hmdb51_2d.pkl`` …): the people of every frame of every video of a data set.

A pickle of a dict: ``split`` {name: [video ids]} and ``annotations``, a list with a dict for each video: ``frame_dir`` (its id),
``total_frames``, ``img_shape`` (height, width), ``label``, ``keypoint`` (M, T, 17, 2) and ``keypoint_score`` (M, T, 17). It is read by
:mod:`formats.plain_pickle`, which runs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.errors import DataError
from formats import plain_pickle

Floats = npt.NDArray[np.float32]

JOINTS = 17


@dataclass(frozen=True)
class Video:
    """``keypoints`` (M, T, 17, 2) in pixels of pictures of ``height`` x ``width``, ``scores`` (M, T, 17), as they are in the file."""

    id: str
    label: int
    height: int
    width: int
    keypoints: npt.NDArray[Any]
    scores: npt.NDArray[Any]

    @property
    def frames(self) -> int:
        """How many frames it has."""
        return int(self.keypoints.shape[1])

    def people(self, frame: int) -> Floats:
        """The people of a frame (P, 17, 3): x, y, score. Somebody whose scores are all 0 is not there."""
        scores = self.scores[:, frame, :, None].astype(np.float32)
        people = np.concatenate([self.keypoints[:, frame].astype(np.float32), scores], 2)
        there: Floats = people[(scores[..., 0] > 0).any(1)]
        return there


@dataclass(frozen=True)
class Archive:
    """``splits``: name -> ids; ``videos``: id -> skeletons, in the order of the file."""

    splits: dict[str, tuple[str, ...]]
    videos: dict[str, Video]


def read_archive(path: Path) -> Archive:
    """Read an archive. Raises DataError naming the file and the video for anything that is not of this form."""
    value = plain_pickle.read(path)
    if not isinstance(value, dict) or not isinstance(value.get("annotations"), list) or not isinstance(value.get("split"), dict):
        raise DataError(
            f"{path} is no skeleton archive: it has no split and annotations", hint="MMAction2 publishes ucf101_2d.pkl and others"
        )
    videos: dict[str, Video] = {}
    for number, one in enumerate(value["annotations"]):
        video = _video(f"{path}, annotation {number}", one)
        if video.id in videos:
            raise DataError(f"{path}, annotation {number}: {video.id!r} is there twice")
        videos[video.id] = video
    splits = {}
    for name, ids in value["split"].items():
        if not isinstance(name, str) or not isinstance(ids, list | tuple) or not all(isinstance(id, str) for id in ids):
            raise DataError(f"{path}: the split {name!r} is not a list of ids")
        splits[name] = tuple(ids)
    return Archive(splits, videos)


def _video(where: str, one: Any) -> Video:
    if not isinstance(one, dict) or not isinstance(one.get("frame_dir"), str):
        raise DataError(f"{where}: no dict with a frame_dir")
    where = f"{where} ({one['frame_dir']!r})"
    try:
        keypoints, scores = plain_pickle.array(one.get("keypoint")), plain_pickle.array(one.get("keypoint_score"))
    except ValueError as error:
        raise DataError(f"{where}: keypoint or keypoint_score: {error}") from error
    if keypoints.ndim != 4 or keypoints.shape[2:] != (JOINTS, 2) or scores.shape != keypoints.shape[:3] or keypoints.dtype.kind != "f":
        raise DataError(
            f"{where}: keypoint {list(keypoints.shape)} and keypoint_score {list(scores.shape)}, not (M, T, 17, 2) and (M, T, 17)"
        )
    shape, frames, label = one.get("img_shape"), one.get("total_frames", keypoints.shape[1]), one.get("label", -1)
    if not isinstance(shape, tuple | list) or len(shape) != 2 or not all(isinstance(side, int) and side > 0 for side in shape):
        raise DataError(f"{where}: img_shape is not (height, width)")
    if frames != keypoints.shape[1] or not isinstance(label, int):
        raise DataError(f"{where}: {frames} frames where keypoint has {keypoints.shape[1]}, or a label that is no number")
    return Video(one["frame_dir"], label, int(shape[0]), int(shape[1]), keypoints, scores)
