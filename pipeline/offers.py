"""Looking at features that are to be imported, before anything is read in full: which kind, which shape, whose ids."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from cache.errors import DataError
from models.backbones.kinds import KINDS
from pipeline.imports import Import
from pipeline.paths import expanded
from stages.imported.ids import Match, match
from stages.imported.kinds import IMPORTABLE
from stages.imported.rows import Source, restored
from stages.imported.source import open_source


@dataclass(frozen=True)
class Offer:
    """A file or tree that holds features of ``kind``. ``shape`` is that of one row as it is stored."""

    kind: str
    path: Path
    form: str
    array: str
    dtype: str
    shape: tuple[int, ...]
    ids: tuple[str, ...]

    @property
    def restored(self) -> tuple[int, ...]:
        """(C, F, V) or (C, V)."""
        shape: tuple[int, ...] | None = restored(self.kind, self.shape)
        assert shape is not None
        return shape

    @property
    def clips(self) -> bool:
        """Whether its rows have clips: those of several kinds go together then."""
        return bool(IMPORTABLE[self.kind].axes[0] == "clips")

    @property
    def lines(self) -> list[str]:
        """What it is, for people."""
        said = [f"{self.kind}: {self.path}", f"  {self.form}: {self.dtype} {[len(self.ids), *self.shape]}"]
        if IMPORTABLE[self.kind].array and self.dtype.lstrip("<>=") != "float32":
            said.append(f"  {self.dtype} is converted to float32")
        if self.restored != self.shape:
            said.append(f"  rows {list(self.shape)} are {'taken for one clip' if self.clips else 'of one video'}: {list(self.restored)}")
        return said


def offers(paths: Sequence[Path], kind: str, array: str, ids_array: str) -> list[Offer]:
    """Look at what is to be imported. Raises DataError if it is no feature file, two are of one kind, or their shapes don't go together."""
    found = [_offer(expanded(path).absolute(), kind, array, ids_array) for path in paths]
    for one in IMPORTABLE:
        named = [str(offer.path) for offer in found if offer.kind == one]
        if len(named) > 1:
            what = f"{' and '.join(named)} both hold {IMPORTABLE[one].what}"
            raise DataError(what, hint="name one of them, or tell them apart with --kind")
    clips = [offer for offer in found if offer.clips]
    for offer in clips[1:]:
        _agree(*((f"{one.kind} rows of {one.path.name}", one.restored) for one in (clips[0], offer)))
    return found


def fits(offer: Offer, imports: Mapping[str, Import], clips: int, kinds: Iterable[str]) -> Iterator[str]:
    """Yield a warning for each of the other ``kinds`` of features that the system reads and that may not go with an offer.

    DataError if what was imported of one never can.
    """
    for other in kinds if offer.clips else ():
        one = imports.get(other)
        if other == offer.kind or (one is not None and not Path(one["file"]).exists()):
            continue
        if one is None:
            if offer.restored[0] != clips:
                yield (
                    f"{other} features will be computed with {clips} clips (sample.num_clips), these have {offer.restored[0]}: "
                    f"import both, or --set sample.num_clips={offer.restored[0]}"
                )
            continue
        with open_source(Path(one["file"]), other, one["array"], one["ids_array"]) as source:
            shape = restored(other, source.shape)
        if shape is not None:
            _agree((f"{offer.kind} rows of {offer.path.name}", offer.restored), (f"imported {other} rows", shape))


def matched(offer: Offer, index: Path, rule: str) -> Match:
    """Which rows are which videos of an index artifact. Raises DataError naming the file."""
    wanted = [json.loads(line)["id"] for line in (index / "media.jsonl").read_text(encoding="utf-8").splitlines()]
    try:
        return match(offer.ids, wanted, rule)
    except DataError as error:
        trees = _trees_below(offer, wanted)
        meant = f"its folders hold them, one kind each: kdpipe import-features {' '.join(map(quote, trees))}" if trees else error.hint
        raise DataError(f"{offer.path}: {error.message}", hint=meant) from error


def _trees_below(offer: Offer, wanted: Sequence[str]) -> list[str]:
    """The folders of a tree of npy files that hold files of the dataset: ``export-features`` makes one for each kind."""
    known = set(wanted)
    parts = [id.partition("/") for id in offer.ids] if offer.path.is_dir() else []
    return sorted({str(offer.path / folder) for folder, _, id in parts if id in known})


def _agree(one: tuple[str, tuple[int, ...]], other: tuple[str, tuple[int, ...]]) -> None:
    if (one[1][0], one[1][-1]) != (other[1][0], other[1][-1]):
        raise DataError(
            f"{one[0]} are {list(one[1])}, {other[0]} are {list(other[1])}: clips (first) and width (last) must agree",
            hint="take both from the same publication",
        )


def _offer(path: Path, kind: str, array: str, ids_array: str) -> Offer:
    kind = kind or (path.name if path.name in IMPORTABLE else "")
    with open_source(path, kind, array, ids_array) as source:
        kind = kind or _kind(path, source)
        if restored(kind, source.shape) is None:
            *axes, last = IMPORTABLE[kind].axes
            raise DataError(
                f"{path}: rows of the shape {list(source.shape)} are no {IMPORTABLE[kind].what}: those have {', '.join(axes)} and {last}",
                hint="is it another kind? --kind says so",
            )
        return Offer(kind, path, source.form, source.array, source.dtype, source.shape, tuple(source.ids))


def _kind(path: Path, source: Source) -> str:
    """Told by the array's name, the file's name, or for one array a video the axes."""
    for kind in KINDS.values():
        if kind.array == source.array:
            return str(kind.name)
    words = re.split("[^a-z]+", path.name.lower())
    for named in ([kind for kind in KINDS if kind in words], [kind for kind in KINDS if kind in path.name.lower()]):
        if len(named) == 1:
            return str(named[0])
    if source.form != source.array:
        for kind in KINDS.values():
            if len(kind.axes) == len(source.shape):
                return str(kind.name)
    *kinds, last = KINDS
    raise DataError(f"{path}: are these {', '.join(kinds)} or {last} features?", hint=f"--kind {', --kind '.join(kinds)} or --kind {last}")
