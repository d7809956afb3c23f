"""Parity of the detection data: windows of THUMOS14, the contrastive clip, crops and the resizing of frames."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.training.crops import Box
from systems.gkd.detection.contrastive_clip import contrastive
from systems.gkd.detection.tables import VideoInfo
from systems.gkd.detection.transforms import centre_box, cropped, mirrored, resize
from systems.gkd.detection.windows import boundary_maps, sampled_rows, training_windows
from tests.parity.case import Case, handles


@handles("det_thumos_clips*")
def thumos_clips(case: Case) -> dict[str, Any]:
    """``in.rows`` are (video, THUMOS id, start, end); a class is the place of its id in the list, from 1."""
    config, rows = case.config, case.inputs["rows"]
    videos = config["videos"]
    numbers = {id: number for number, id in enumerate(THUMOS_IDS, 1)}
    infos = {video: VideoInfo(**config["infos"][video]) for video in videos}
    mine = {
        video: np.array([(start, end, numbers[int(id)]) for of, id, start, end in rows if of == place])
        for place, video in enumerate(videos)
    }
    found = training_windows(infos, mine, length=config["clip_length"], stride=config["stride"])
    maps = [boundary_maps(window.rows, config["clip_length"]) for window in found.windows]
    return {
        **{f"anno_{video}": sampled_rows(mine[video], infos[video]) for video in videos},
        "clips": np.array([(videos.index(window.video), window.offset, len(window.rows)) for window in found.windows]),
        "clip_annos": np.concatenate([window.rows for window in found.windows]),
        "start_maps": np.array([starts for starts, _ in maps]),
        "end_maps": np.array([ends for _, ends in maps]),
        "min_anno": np.array([found.shortest[video] for video in videos]),
    }


#: The numbers of THUMOS14's classes, in the order of its list.
THUMOS_IDS = (7, 9, 12, 21, 22, 23, 24, 26, 31, 33, 36, 40, 45, 51, 68, 79, 85, 92, 93, 97)


@handles("det_contrastive_augment*")
def contrastive_augment(case: Case) -> dict[str, Any]:
    """Every choice takes the first candidate; frames are numbered, so the order of the frames is the clip."""
    got: dict[str, Any] = {}
    for name, piece in case.config["th"].items():
        given = case.inputs[name]
        moved = contrastive(given[:, :2], piece, case.config["clip_length"], lambda count: 0)
        got |= {f"{name}.frames": moved.frames, f"{name}.annos": moved.segments if moved.found else given, f"{name}.flag": [moved.found]}
    return got


@handles("det_transforms*")
def transforms(case: Case) -> dict[str, Any]:
    """Outputs are ``bicubic_<side>`` (or ``<side>x<side>``), ``center_<side>``, ``random_crop_last_<side>`` and ``flip``."""
    picture, clip = case.inputs["im"], case.inputs["clip"]
    height, width = clip.shape[-2:]
    got: dict[str, Any] = {}
    for name in case.outputs:
        kind, _, side = name.rpartition("_")
        if kind == "bicubic":
            got[name] = resize(picture[None], int(side.split("x")[0]))[0]
        elif kind == "center":
            got[name] = cropped(clip, centre_box(height, width, int(side)))
        elif kind == "random_crop_last":
            got[name] = cropped(clip, Box(height - int(side), width - int(side), int(side), int(side)))
        else:
            got[name] = mirrored(clip)
    return got
