"""The files of a split, as the index lists them, with the numbers of their classes. Importing it is light."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cache.errors import ConfigError, DataError
from cache.json_files import read_json, read_lines
from cache.ledger import Ledger

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Split(NamedTuple):
    """Ids in the order of the index; the classes of each, by number from 0; the names of all classes."""

    name: str
    ids: list[str]
    labels: Mapping[str, tuple[int, ...]]
    classes: tuple[str, ...]

    @property
    def multi_label(self) -> bool:
        """Whether a file of the dataset may have several classes."""
        return any(len(own) != 1 for own in self.labels.values())

    def numbers(self, ids: Sequence[str]) -> npt.NDArray[np.int64]:
        """The class of each file, (n,)."""
        import numpy as np  # not for who only looks

        return np.array([self.labels[id][0] for id in ids], np.int64)

    def marks(self, ids: Sequence[str]) -> npt.NDArray[np.float32]:
        """(n, classes): 1 where a file has a class."""
        import numpy as np

        found = np.zeros((len(ids), len(self.classes)), np.float32)
        for row, id in enumerate(ids):
            found[row, list(self.labels[id])] = 1
        return found


def require_single(split: Split) -> None:
    """Raise DataError for a dataset whose files have several classes, which an SVM does not learn."""
    if split.multi_label:
        what = "files of this dataset have several classes, and the SVM tells single ones apart"
        raise DataError(what, hint="--set graph.protocols=[linear]")


def ids_of(index: Path, split: str) -> list[str]:
    """The files of a split, or of several (``train+val``). Raises ConfigError if there is none, naming those that there are."""
    rows = list(read_lines(index / "media.jsonl"))
    wanted = set(split.split("+"))
    found = [str(row["id"]) for row in rows if wanted.intersection(row["splits"])]
    if not found:
        known = sorted({name for row in rows for name in row["splits"] if "few-shot" not in name})
        hint = f"it has {', '.join(known)}: graph.folds, graph.test and pretrain.split name them" if known else "docs/DATASETS.md"
        raise ConfigError(f"the dataset has no files of the split {split}", hint=hint)
    return found


def listed(index: Path, split: str) -> Split:
    """The files of a split with their classes, numbered as the dataset does.

    Raises ConfigError if there is no such split, or there are no two classes; DataError for a file without a class. Whether files may have
    several classes is decided by all files of the dataset.
    """
    found = ids_of(index, split)
    named = {str(row["video_id"]): [str(one) for one in row["classes"]] for row in read_lines(index / "annotations.jsonl")}
    classes = tuple(read_json(index / "dataset.json").get("classes") or sorted({name for own in named.values() for name in own}))
    if len(classes) < 2:
        raise ConfigError(f"the dataset has {len(classes)} classes, and there is nothing to tell apart")
    numbers = {name: number for number, name in enumerate(classes)}
    for id in found:
        if not named.get(id) or not all(name in numbers for name in named[id]):
            raise DataError(f"the index names no class of {id}")
    labels = {id: tuple(numbers[name] for name in own if name in numbers) for id, own in named.items() if own}
    return Split(split, found, labels, classes)


def present(ids: Sequence[str], there: Collection[str], ledger: Ledger, lacking: Mapping[str, str]) -> list[str]:
    """Those that are there; the ledger says of each whether it is, and what is ``lacking``. Raises DataError if there are none."""
    kept = [id for id in ids if id in there]
    if not kept:
        raise DataError(f"none of the {len(ids)} files has what is needed", hint="kdpipe show sample --ledger")
    for id in ids:
        if id in there:
            ledger.add(id, "ok")
        else:
            ledger.add(id, "lost_before", f"it has no {lacking[id]}" if lacking.get(id) else "an earlier stage lost it")
    return kept
