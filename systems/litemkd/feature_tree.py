"""Features as the authors keep them: ``<class>/<video>/feature.npy``, float32, [8, D] or [1, 8, D] (spec B.3).

Fused features of the teacher have the leading axis, those of one modality mostly do not. Here a video has (8, D).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from cache.errors import DataError
from cache.npy import open_npy
from systems.litemkd.videos import Video

NAME = "feature.npy"


def videos(root: Path) -> list[Video]:
    """The videos of a tree, sorted. Raises DataError if there is none."""
    found = sorted({Video(path.parent.parent.name, path.parent.name) for path in root.glob("[!.]*/[!.]*/[!.]*.npy")})
    if not found:
        raise DataError(f"{root} holds no features", hint=f"the authors' layout is <class>/<video>/{NAME}")
    return found


def read(root: Path, video: tuple[str, str], frames: int = 8) -> npt.NDArray[np.float32]:
    """The features (``frames``, D) of a video. A file of another name is taken if it is the only one, as the authors' reader would.

    Raises DataError if there is no such file, or it holds something else.
    """
    folder = root / video[0] / video[1]
    path = folder / NAME
    if not path.is_file():
        others = sorted(folder.glob("[!.]*.npy"))
        if len(others) > 1:
            raise DataError(f"{folder} holds {len(others)} npy files and no {NAME}", hint="leave the right one")
        path = others[0] if others else path
    array = open_npy(path)
    features = array[0] if array.ndim == 3 and len(array) == 1 else array
    if features.ndim != 2 or len(features) != frames:
        raise DataError(f"{path} holds {list(array.shape)}, and not [{frames}, D] or [1, {frames}, D]")
    return np.array(features, np.float32)
