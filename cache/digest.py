"""Digests of values, files and trees: sha256 throughout, so that ``sha256sum`` can check any of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

CHUNK = 1 << 20


def canonical(value: Any) -> bytes:
    """Return the one JSON text of ``value``: sorted keys, no blanks, no NaN; tuples are lists, paths are refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def digest_value(value: Any) -> str:
    """sha256 of the canonical JSON of ``value``."""
    return hashlib.sha256(canonical(value)).hexdigest()


def digest_file(path: Path) -> str:
    """sha256 of the bytes of ``path``."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@dataclass(frozen=True)
class FileEntry:
    """One file of an object: POSIX path relative to the object, size in bytes, sha256."""

    path: str
    size: int
    sha256: str

    def matches(self, path: Path, *, contents: bool) -> bool:
        """Whether the regular file ``path`` has this size and, if ``contents`` are to be read, this digest."""
        try:
            if path.is_symlink() or not path.is_file() or path.stat().st_size != self.size:
                return False
            return not contents or digest_file(path) == self.sha256
        except OSError:
            return False


@dataclass(frozen=True)
class Manifest:
    """The files of an object in the order of their paths. Its digest names the object."""

    files: tuple[FileEntry, ...]

    @property
    def digest(self) -> str:
        """sha256 of the canonical list of files."""
        return digest_value([asdict(entry) for entry in self.files])

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.files)

    def dump(self) -> bytes:
        """The manifest as JSON text."""
        return (json.dumps({"files": [asdict(entry) for entry in self.files]}, indent=0, sort_keys=True) + "\n").encode()

    @classmethod
    def load(cls, data: bytes) -> Manifest:
        """Parse :meth:`dump`. Raises ValueError for a path that leads out of the object: manifests may come from elsewhere."""
        files = tuple(FileEntry(**entry) for entry in json.loads(data)["files"])
        for entry in files:
            parts = entry.path.split("/")
            if "\0" in entry.path or any(part in ("", ".", "..") for part in parts):
                raise ValueError(f"a manifest names the file {entry.path!r}")
        return cls(files)

    @classmethod
    def of_tree(cls, root: Path) -> Manifest:
        """Digest every regular file under ``root``. Links and special files are refused: an object is plain data."""
        entries = []
        for path in sorted(root.rglob("*")):
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise ValueError(f"{path.relative_to(root)} is not a regular file")
            if path.is_file():
                entries.append(FileEntry(path.relative_to(root).as_posix(), path.stat().st_size, digest_file(path)))
        return cls(tuple(sorted(entries, key=lambda entry: entry.path)))


def digest_listing(files: Mapping[str, str]) -> str:
    """Digest of a relative path -> sha256 listing."""
    return digest_value(sorted(files.items()))
