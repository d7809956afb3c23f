"""Lite-MKD's pictures: ``<modality>_l8/<class>/<video>/00000001.jpg`` to ``00000008.jpg``; RGB and derived modalities alike.

Readers swap ``rgb_l8`` for another folder, so that a video has the same class, name and numbers in all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cache.errors import DataError
from formats.still import read_still

MODALITIES = ("rgb", "flow", "depth", "skeleton")
#: pictures of a video; shorter ones have fewer
LENGTH = 8


def folder_of(root: Path, modality: str, label: str, video: str) -> Path:
    """Where the pictures of a video lie."""
    return root / f"{modality}_l8" / label / video


def write(folder: Path, pictures: Iterable[bytes]) -> None:
    """Write JPEGs, in order, into a folder, which is created. Raises FileExistsError rather than writing over a file."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(pictures, 1):
        with (folder / f"{number:08d}.jpg").open("xb") as file:
            file.write(data)


def read(folder: Path) -> list[npt.NDArray[np.uint8]]:
    """The pictures of a video, RGB uint8 (H, W, 3), in the order of their names.

    Raises DataError naming the folder if there is none, and the file that is no picture.
    """
    return [read_still(path) for path in pictures_of(folder)]


def pictures_of(folder: Path) -> list[Path]:
    """The files of a video's pictures, in the order of their names; only ``.jpg`` counts. Raises DataError if there is none."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.name.endswith(".jpg") and not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder} is no folder of pictures: {error.strerror}") from error
    if not paths:
        raise DataError(f"{folder} holds no .jpg")
    return paths


def videos(root: Path, modality: str) -> list[tuple[str, str]]:
    """(class, video) of every video of a modality, sorted. Raises DataError if there is no such tree."""
    tree = root / f"{modality}_l8"
    if not tree.is_dir():
        known = sorted(path.name.removesuffix("_l8") for path in root.glob("*_l8"))
        raise DataError(f"{tree} is not there", hint=f"found: {', '.join(known)}" if known else "")
    return videos_of(tree)


def videos_of(tree: Path) -> list[tuple[str, str]]:
    """(class, video) of every video of one modality's tree, sorted."""
    return sorted((path.parent.name, path.name) for path in tree.glob("[!.]*/[!.]*") if path.is_dir())
