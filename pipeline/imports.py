"""What was brought into the store from elsewhere: features of a dataset, ``imports/<dataset>.json``, one sealed file a dataset, and
weights, ``weights/<name>.safetensors``.

It belongs to the store and not to the configuration: another store, or another person, may compute the same features. The
configuration reads it (``--set imports=ignore`` leaves features out), and the graph then has nodes of :mod:`stages.imported`, and weights
by their name alone.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cache.errors import StoreError
from cache.names import escape
from cache.record import Record
from cache.store import Store, listed, open_sealed, seal

#: An import is the fields of ``stages.imported.ImportedParams`` by name.
Import = Mapping[str, Any]

#: The function that makes imported results: what their keys name.
ENTRY = "stages.imported.run:run"
#: Values of ``weights`` that mean something else than weights of that name: the shipped ones, those of ``weights_file``, none.
NO_NAMES = ("world", "file", "random")


def path_of(store: Store, dataset: str) -> Path:
    """File of the imports of a dataset."""
    return store.root / "imports" / f"{escape(dataset)}.json"


def current(store: Store, dataset: str) -> dict[str, Import]:
    """Kind of features -> the import that stands. Raises StoreError if the file is damaged: computing unasked may take days."""
    found: dict[str, Import] = _read(store, dataset)["current"]
    return found


def weights(store: Store) -> dict[str, Path]:
    """Name -> file of all weights that were imported."""
    return {path.stem: path for path in sorted(listed(weights_room(store))) if path.suffix == ".safetensors"}


def weights_room(store: Store) -> Path:
    """Where imported weights are kept."""
    return store.root / "weights"


def wrong(value: Mapping[str, Any]) -> str:
    """What cannot be in a list of imports that somebody else wrote, "" if nothing."""
    from stages.imported import ImportedParams  # only here: an import is rare, and this module is read by every verb
    from stages.imported.kinds import IMPORTABLE

    plain = {f.name: (int, float) if isinstance(f.default, float) else type(f.default) for f in dataclasses.fields(ImportedParams)}
    choices = {f.name: f.metadata["choices"] for f in dataclasses.fields(ImportedParams) if f.metadata["choices"]}
    standing, past = value.get("current"), value.get("past")
    if not isinstance(standing, dict) or not isinstance(past, list) or not set(standing) <= set(IMPORTABLE):
        return "it is no list of imports"
    for one in [*standing.values(), *past]:
        if not isinstance(one, dict) or not {"kind", "sha256", "file", "when"} <= set(one) <= set(plain):
            return "an import has other fields than it should"
        if not all(isinstance(one[name], plain[name]) and str(one[name]).isprintable() for name in one):
            return "an import has a field that cannot be read"
        if not all(one[name] in choices[name] for name in choices if name in one) or not re.fullmatch("[0-9a-f]{64}", one["sha256"]):
            return "an import has a field of an unknown value"
    allowed = {f.name: f.metadata["range"] for f in dataclasses.fields(ImportedParams) if isinstance(f.default, float)}
    if any(one[name] not in allowed[name] for one in [*standing.values(), *past] for name in allowed if name in one):
        return "an import has a number out of its range"
    if any(one["kind"] != kind for kind, one in standing.items()):
        return "an import is of another kind than it says"
    return ""


def put(store: Store, dataset: str, imports: Mapping[str, Import]) -> None:
    """Let these imports stand from now on; those that they replace are kept as past ones."""
    value = _read(store, dataset)
    for kind, one in imports.items():
        _retire(value, kind)
        value["current"][kind] = dict(one)
    store.write(path_of(store, dataset), seal(value))


def undo(store: Store, dataset: str, kinds: Iterable[str]) -> list[Import]:
    """Let the imports of ``kinds`` stand no longer; returns them. Results and files stay."""
    value = _read(store, dataset)
    taken = [one for kind in kinds if (one := _retire(value, kind)) is not None]
    if taken:
        store.write(path_of(store, dataset), seal(value))
    return taken


def origin(store: Store, record: Record) -> str:
    """Where an imported result comes from, for people; empty for a result that was computed."""
    if record.key.entry != ENTRY:
        return ""
    digest = str(record.key.params.get("sha256", ""))
    try:
        value = _read(store, record.dataset)
    except (StoreError, ValueError):
        value = _nothing()
    known = [one for one in [*value["current"].values(), *reversed(value["past"])] if one["sha256"] == digest]
    return f"from {known[0]['file']}, {known[0]['when']}, sha256 {digest}" if known else f"sha256 {digest}"


def _retire(value: dict[str, Any], kind: str) -> Import | None:
    """Move an import to the past."""
    one: Import | None = value["current"].pop(kind, None)
    if one is not None:
        value["past"].append(one)
    return one


def _nothing() -> dict[str, Any]:
    return {"current": {}, "past": []}


def _read(store: Store, dataset: str) -> dict[str, Any]:
    path = path_of(store, dataset)
    try:
        return open_sealed(path.read_bytes())
    except FileNotFoundError:
        return _nothing()
    except ValueError as error:
        raise StoreError(
            f"{path}, which says what features of {dataset} were imported, is damaged: {error}",
            hint="move it away, then import them again: kdpipe import-features FILE; without it they would be computed",
        ) from error
