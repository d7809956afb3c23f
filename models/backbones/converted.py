"""Weights that ``kdpipe weights import`` converted: what their file says of itself, read without torch.

The file is a safetensors file whose metadata has one key, ``kdpipe``: a JSON object with the name, digest and kind of the original and the
digest of the tensors' bytes (all that follows the header). There is no date, so equal input gives equal bytes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from cache.errors import DataError

#: The one key of the metadata: safetensors writes several keys in no certain order.
KEY = "kdpipe"
LONGEST_HEADER = 16 << 20


@dataclass(frozen=True)
class Origin:
    """Where imported weights come from.

    file, sha256: name and digest of the original. kind: how its names were found (naming, prefix).
    backbone:     the registry's name of the network. known: the published weights that the original is, "" if none.
    data_sha256:  digest of the tensors' bytes in the imported file. left_out: entries of the original that are not the backbone's.
    """

    file: str
    sha256: str
    kind: str
    backbone: str
    known: str = ""
    data_sha256: str = ""
    left_out: int = 0
    format: int = field(default=1)

    def dump(self) -> str:
        """As canonical JSON."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))


def header(path: Path) -> tuple[dict[str, object], int] | None:
    """The JSON header of a safetensors file and where its data begin; None if the file is no safetensors file."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= LONGEST_HEADER:
                return None
            told = json.loads(file.read(length))
    except (ValueError, RecursionError):
        return None
    return (told, 8 + length) if isinstance(told, dict) else None


def origin_of(path: Path) -> Origin | None:
    """What an imported file says of its origin; None for any other file."""
    if path.suffix != ".safetensors" or (found := header(path)) is None:
        return None
    metadata = found[0].get("__metadata__")
    text = metadata.get(KEY) if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        return None
    try:
        told = json.loads(text)
        known = {f.name: f.type for f in fields(Origin)}
        origin = Origin(**{key: value for key, value in told.items() if key in known})
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: its account of its origin is damaged", hint="import it again") from error
    if not all(isinstance(getattr(origin, key), int if kind == "int" else str) for key, kind in known.items()):
        raise DataError(f"{path}: its account of its origin is damaged", hint="import it again")
    return origin


def digest(data: bytes | memoryview) -> str:
    """The digest of the tensors' bytes."""
    return hashlib.sha256(data).hexdigest()


def verify(path: Path) -> Origin:
    """Read all of an imported file. Raises DataError if its tensors are not those that were imported."""
    origin, found = origin_of(path), header(path)
    if origin is None or found is None:
        raise DataError(f"{path} was not imported by kdpipe", hint="kdpipe weights import FILE")
    with path.open("rb") as file:
        file.seek(found[1])
        there = hashlib.file_digest(file, "sha256").hexdigest()
    if there != origin.data_sha256:
        raise DataError(f"{path} is damaged: its tensors are not those that were imported", hint=f"import {origin.file} again")
    return origin
