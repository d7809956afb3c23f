"""Poses that somebody else found: the file of ``expert: results`` in place of an expert.

One file for a whole dataset, keyed by its content:
  .zip   AlphaPose's results of each video, ``<id>/alphapose-results.json`` or ``<id>.json``
  .json  AlphaPose's results of all: ``image_id`` is ``<id>/<picture>``
  .pkl   a skeleton archive of MMAction2
An id may stand as :func:`formats.official_names.part` writes it, as ``kdpipe export-derived`` does. A picture is told by the number at the
end of its name, ``results_first`` for the first frame of the video.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np

from cache.errors import DataError
from cache.given import plain_file
from formats.alphapose import LARGEST, NAME, Skeletons, read_results
from formats.official_names import part
from formats.skeleton_pickle import Video as Archived
from formats.skeleton_pickle import read_archive
from models.experts.running import Floats, People

#: frame number, height, width -> who is there
Found = Callable[[int, int, int], People]
NUMBER = re.compile(r"([0-9]{1,9})$")


class Lacking(Exception):
    """There is nothing for a video, or for a frame of it; the text says what."""


class Results:
    """The results of a file, by the id of a video."""

    def __init__(self, path: Path, first: int) -> None:
        """``first``: the number of the first frame in the names of pictures. Raises DataError for a file that is none of the three."""
        plain_file(path, f"results {path}", hint="a .zip or .json of AlphaPose's results, or a .pkl of MMAction2")
        self._first, self._path = first, path
        self._videos: dict[str, Callable[[], Found]] = {}
        if path.suffix == ".pkl":
            self._videos = {id: lambda video=video: _archived(video) for id, video in read_archive(path).videos.items()}
        elif path.suffix == ".zip":
            self._videos = self._zipped()
        else:
            by_video: dict[str, dict[str, Skeletons]] = {}
            for name, people in read_results(path).items():
                folder, _, picture = name.replace("\\", "/").rpartition("/")
                by_video.setdefault(folder, {})[picture] = people
            self._videos = {id: lambda people=people: self._numbered(people) for id, people in by_video.items()}

    def of(self, id: str) -> Found:
        """Who is in the frames of a video. Raises Lacking if the file has nothing of it, or too much."""
        for name in (id, part(id)):
            if name in self._videos:
                return self._videos[name]()
        nameless = "; its pictures are called without a video: <id>/<picture> is needed" if "" in self._videos else ""
        raise Lacking(f"{self._path.name} has no results for it{nameless}")

    def _zipped(self) -> dict[str, Callable[[], Found]]:
        found: dict[str, Callable[[], Found]] = {}
        try:
            with zipfile.ZipFile(self._path) as archive:
                for member in archive.infolist():
                    place = PurePosixPath(member.filename)
                    if place.suffix == ".json":
                        id = str(place.parent) if place.name == NAME else str(place.with_suffix(""))
                        if id in found:
                            raise DataError(f"{self._path} has two files of the video {id!r}: {member.filename} is one of them")
                        found[id] = lambda member=member: self._member(member)
        except (zipfile.BadZipFile, OSError) as error:
            raise DataError(f"{self._path} is no zip file that can be read: {error}") from error
        return found

    def _member(self, member: zipfile.ZipInfo) -> Found:
        name = member.filename
        if member.file_size > LARGEST:
            what = f"its results in {self._path.name}, {name}, are too large: {member.file_size:,} bytes, at most {LARGEST:,} are read"
            raise Lacking(what)
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / NAME
            try:
                with zipfile.ZipFile(self._path) as archive:
                    copy.write_bytes(archive.read(name))
                return self._numbered(read_results(copy))
            except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError) as error:
                raise DataError(f"{self._path}: {name} cannot be read: {error}") from error
            except DataError as error:
                raise DataError(error.message.replace(str(copy), f"{self._path}, {name}"), hint=error.hint) from error

    def _numbered(self, pictures: dict[str, Skeletons]) -> Found:
        """AlphaPose has no entry for a picture without people."""
        frames: dict[int, Skeletons] = {}
        for name, people in pictures.items():
            match = NUMBER.search(PurePosixPath(name).stem)
            if match is None:
                raise DataError(f"{self._path}: the picture {name!r} has no number at its end")
            frame = int(match[1]) - self._first
            if frame < 0:
                raise DataError(f"{self._path}: the picture {name!r} is before the first one", hint="derive.*.results_first is its number")
            if frame in frames:
                raise DataError(f"{self._path}: two pictures have the number of {name!r}")
            frames[frame] = people

        def found(number: int, height: int, width: int) -> People:
            people = frames.get(number)
            if people is None:
                return _nobody()
            return People(people.keypoints, people.boxes, people.keypoints[..., 2].mean(1, dtype=np.float32), people.scores)

        return found


def _archived(video: Archived) -> Found:
    def found(number: int, height: int, width: int) -> People:
        if number >= video.frames:
            raise Lacking(f"the archive has {video.frames} frames of it, and frame {number} is wanted")
        people = video.people(number)
        if not len(people):
            return _nobody()
        scale = np.array([width / video.width, height / video.height, 1], np.float32)
        keypoints: Floats = (people * scale).astype(np.float32)
        low, high = keypoints[..., :2].min(1), keypoints[..., :2].max(1)
        scores = keypoints[..., 2].mean(1, dtype=np.float32)
        return People(keypoints, np.concatenate([low, high - low], 1), scores, scores)

    return found


def _nobody() -> People:
    return People(np.zeros((0, 17, 3), np.float32), np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.float32))
