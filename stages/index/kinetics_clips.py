"""Where the clips of Kinetics lie: ``{train,val,test}/<class>/<id>_<start>_<end>.mp4``, or without folders of classes, as copies differ.

A folder of a class has its name with blanks or underscores; any mark that is no letter and no digit may have been changed. Clips may
also lie in another part than the tables say, or beside the parts, as in copies of the few-shot classes.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path

from stages.index.few_shot import key
from stages.index.walk import ending, files_in, folders_in

PARTS = ("train", "val", "test")
#: How folders and tables of a part are called.
CALLED = {"train": ("train",), "val": ("val", "validate", "validation"), "test": ("test",)}
#: Where clips of no part lie; "" is the data root.
BESIDE = ("videos", "")
#: Folders whose clips lie in no folder of a class.
PLACES = frozenset({*BESIDE, *(called for names in CALLED.values() for called in names)})
ENDINGS = (".mp4", ".mkv", ".webm", ".avi")
#: Folders of the data root that hold no clips.
OTHER = frozenset({"splits", "annotations", "truth"})


def name(id: str, start: int, end: int) -> str:
    """The name of a clip: ``("-3B32lodo2M", 59, 69)`` -> ``"-3B32lodo2M_000059_000069"``."""
    return f"{id}_{start:06d}_{end:06d}"


def folder(label: str) -> str:
    """The folder of a class in the usual copies: ``"air drumming"`` -> ``"air_drumming"``."""
    return label.replace(" ", "_").replace("/", "_")


@functools.cache
def letters(label: str) -> str:
    """What is left of a class's name in every copy."""
    return re.sub(r"[\W_]+", "", label.lower())


def lying(root: Path) -> Iterator[str]:
    """Every clip under the data root."""
    parts = [called for names in CALLED.values() for called in names]
    for place in (*parts, *BESIDE):
        yield from (_relative(file) for file in files_in(root, place or ".", _is_clip))
        for inner in folders_in(root, place or "."):
            if place or (inner not in parts and inner not in BESIDE and inner not in OTHER):
                yield from files_in(root, f"{place}/{inner}" if place else inner, _is_clip)


def _relative(path: str) -> str:
    return path.removeprefix("./")


def _is_clip(name: str) -> bool:
    return ending(name) in ENDINGS


class Clips:
    """The clips under a data root, by name; ``empty`` if there is none."""

    def __init__(self, root: Path) -> None:
        self._paths: dict[str, list[str]] = {}
        for path in lying(root):
            self._paths.setdefault(path.rpartition("/")[2].rpartition(".")[0], []).append(path)
        self.empty = not self._paths
        self._by_key = {key(name): name for name in self._paths}

    def path(self, name: str, label: str, part: str = "") -> str:
        """Where the clip of that name lies, or where it would be looked for.

        Of several, one in a folder of its class comes first, then one of its part. One that lies in a folder of another class is not it.
        """
        usual = f"{part or PARTS[0]}/{folder(label)}/{name}{ENDINGS[0]}"
        found = self._paths.get(name) or self._paths.get(self._by_key.get(key(name), ""))
        if found is None:
            return usual
        fitting = [path for path in found if _class_of(path) in ("", letters(label))]
        return min(fitting, key=lambda path: (not _class_of(path), path.partition("/")[0] not in CALLED.get(part, ()), path), default=usual)


def _class_of(path: str) -> str:
    """The letters of the class whose folder a clip lies in; "" if it lies in none."""
    place = path.rpartition("/")[0].rpartition("/")[2]
    return "" if place in PLACES else letters(place)
