"""HMDB51 as frames in folders of classes: ``<class>/<video>/image_00001.jpg ...``, and lists of ``<class>/<video> <label>``, labels from 0.

Each video has a text file ``n_frames`` with the number of its last picture, 0 if it has none. The lists are called ``hmdb51_train.txt``,
``hmdb51_test.txt`` and ``hmdb51_val.txt``. There is no flow. Two-stream programs read the flat layout of :mod:`formats.clip_list` instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from cache.errors import DataError
from cache.given import plain_file, read_text
from formats.clip_list import Clip
from formats.text_file import text_lines

NAME = r"(?!\.)[^\s/\\\0]+"
LINE = re.compile(rf"(?P<video>{NAME}/{NAME})\s+(?P<label>[0-9]{{1,9}})")
COUNT = "n_frames"


def picture(number: int) -> str:
    """The name of picture ``number``, from 1."""
    return f"image_{number:05d}.jpg"


def read(path: Path, root: Path) -> list[Clip]:
    """The lines of a list, with the counts that the folders below ``root`` state; names are ``<class>/<video>``.

    Raises DataError naming file and line of what is no such line, or the count that is not there or no number.
    """
    clips = []
    for number, line in enumerate(text_lines(path), 1):
        text = line.decode("utf-8", "replace").strip()
        if not text:
            continue
        match = LINE.fullmatch(text)
        if match is None:
            raise DataError(f"{path}, line {number}: expected '<class>/<video> <label>', found {text[:60]!r}")
        clips.append(Clip(match["video"], _count(root / match["video"] / COUNT), int(match["label"])))
    return clips


def _count(path: Path) -> int:
    text = read_text(path, most=64, hint="the number of the last picture stands in it").strip()
    if not re.fullmatch("[0-9]{1,9}", text):
        raise DataError(f"{path}: expected one number, found {text[:60]!r}")
    return int(text)


def flatten(clips: Iterable[Clip], root: Path, out: Path) -> list[Clip]:
    """Link the pictures below ``root`` as ``<out>/<video>/img_00001.jpg ...``, and return the clips by these names.

    Raises DataError for a picture that is not there, and where videos of two classes have one name.
    """
    flat: dict[str, Clip] = {}
    for clip in clips:
        name = PurePosixPath(clip.video).name
        if name in flat:
            raise DataError(f"{clip.video}: another class has a video {name!r} too, and the flat layout has no classes")
        flat[name] = Clip(name, clip.count, clip.label)
        (out / name).mkdir(parents=True)
        for number in range(1, clip.count + 1):
            source = root / clip.video / picture(number)
            plain_file(source, hint=f"{COUNT} says that there are {clip.count}")
            (out / name / f"img_{number:05d}.jpg").symlink_to(source.resolve())
    return list(flat.values())
