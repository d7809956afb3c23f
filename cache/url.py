"""A remote behind a URL that fsspec knows: ``s3://bucket/team``, ``gs://…``, ``sftp://…``, ``file://…``, ``memory://…``.

Such places have no rename to rely on. An object's manifest is therefore written last, after every file was read back, and without its
manifest an object is not there. Other files carry a checksum, or are checked against a record that does.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import posixpath
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from cache import addresses
from cache.digest import FileEntry, Manifest
from cache.errors import KdpipeError, RemoteError
from cache.remote import CHUNK, Check, Remote, Step, format_bytes
from cache.shard import sound_rows

#: Protocols of places that have names but no directories.
FLAT = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "r2"})


class Url(Remote):
    """A store behind a URL. Raises RemoteError, naming what to install, if nothing here can speak its protocol."""

    def __init__(self, url: str) -> None:
        self.name = url.rstrip("/")
        self.mend = "push it there again with --verify, from a store where it is sound"
        self._files, self._root = _connect(url)

    # -- reading --------------------------------------------------------------------------------------------------

    def size(self, path: str) -> int | None:
        """Bytes of a file, or None."""
        with self._asking(path):
            try:
                info = self._files.info(self._full(path))
            except FileNotFoundError:
                return None
        if info.get("islink") or info.get("type") != "file":
            raise self.damage(f"{path} is not a regular file")
        return int(info["size"])

    def names(self, path: str) -> list[str]:
        """Names in a directory, sorted."""
        with self._asking(path):
            try:
                return sorted({posixpath.basename(str(name).rstrip("/")) for name in self._files.ls(self._full(path), detail=False)})
            except (FileNotFoundError, NotADirectoryError):
                return []

    def local(self, path: str) -> Path | None:
        """Nothing behind a URL can be opened as a file."""
        return None

    def chunks(self, path: str, start: int = 0) -> Iterator[bytes]:
        """The bytes of a file from ``start`` on."""
        with self._asking(path):
            try:
                file = self._files.open(self._full(path), "rb")
            except FileNotFoundError as error:
                raise self.damage(f"{path} is missing") from error
        with file:
            with self._asking(path):
                file.seek(start)
            while True:
                with self._asking(path):
                    chunk = file.read(CHUNK)
                if not chunk:
                    return
                yield chunk

    # -- writing --------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Write the format marker if there is none."""
        if self.size("format.json") is None:
            self.write("format.json", format_bytes())

    def publishing(self) -> AbstractContextManager[None]:
        """Nothing collects garbage behind a URL."""
        return contextlib.nullcontext()

    def write(self, path: str, data: bytes, *, read_only: bool = True) -> None:
        """Put a small file and see whether it is there."""
        with self._asking(path):
            self._make_directory(path)
            self._files.pipe_file(self._full(path), data)
            self._files.invalidate_cache()
        if self.size(path) is None:
            raise RemoteError(f"{self.name}: {path} was written, but is not there")

    def has_object(self, manifest: Manifest, *, contents: bool = False) -> bool:
        """Whether the manifest is there, which is written last; with ``contents`` every byte is read."""
        try:
            if self.manifest(manifest.digest) is None:
                return False
        except RemoteError:
            return False
        return not contents or all(self._holds(manifest.digest, entry) for entry in manifest.files)

    def receive_object(self, manifest: Manifest, source: Remote, step: Step) -> None:
        """Put the files that are not there yet, read each back, then the manifest."""
        for entry in manifest.files:
            if not self._holds(manifest.digest, entry):
                self._receive_file(manifest.digest, entry, source, step)
        self.write(f"{addresses.object_directory(manifest.digest)}/manifest.json", manifest.dump())
        self.manifest(manifest.digest)

    def receive_file(self, path: str, source: Remote, step: Step, check: Check) -> int:
        """Put a file that was found whole, and read it back."""
        file = source.local(path)
        wrong = check(file) if file is not None else "it is not at hand to be checked"
        if wrong:
            raise source.damage(f"{path}: {wrong}")
        self._put(path, source.chunks(path), step)
        return self.size(path) or 0

    def receive_shard(self, path: str, source: Remote, step: Step) -> int:
        """Put a shard whose every row was found sound, if it is longer than the one that is there."""
        before = self.size(path) or 0
        size = source.size(path) or 0
        if size <= before:
            return 0
        shard = source.local(path)
        end = sound_rows(shard) if shard is not None else None
        if end is None:
            raise source.damage(f"a row of {path} is damaged")
        if end <= before:
            return 0
        self._put(path, _limited(source.chunks(path), end), step)
        return end - before

    def _receive_file(self, oid: str, entry: FileEntry, source: Remote, step: Step) -> None:
        path = self._file(oid, entry)
        if source.size(path) != entry.size:
            raise source.damage(f"object {oid[:12]} is damaged: {entry.path} is missing or does not have {entry.size} bytes")
        sent = self._put(path, _limited(source.chunks(path), entry.size + 1), step)
        if sent != entry.sha256:
            self._remove(path)
            raise source.damage(f"object {oid[:12]} is damaged: {entry.path} does not have the digest of its manifest")

    def _put(self, path: str, chunks: Iterator[bytes], step: Step) -> str:
        """Write a file and read it back; returns its digest."""
        digest = hashlib.sha256()
        with self._asking(path):
            self._make_directory(path)
            with self._files.open(self._full(path), "wb") as file:
                for chunk in chunks:
                    digest.update(chunk)
                    file.write(chunk)
                    step(len(chunk))
            self._files.invalidate_cache()
        if self._digest(path) != digest.hexdigest():
            self._remove(path)
            raise RemoteError(f"{self.name}: {path} was written, but reads differently", hint="try again")
        return digest.hexdigest()

    def _holds(self, oid: str, entry: FileEntry) -> bool:
        path = self._file(oid, entry)
        try:
            return self.size(path) == entry.size and self._digest(path) == entry.sha256
        except RemoteError:
            return False

    def _digest(self, path: str) -> str:
        digest = hashlib.sha256()
        for chunk in self.chunks(path):
            digest.update(chunk)
        return digest.hexdigest()

    def _remove(self, path: str) -> None:
        with self._asking(path):
            self._files.rm_file(self._full(path))

    def _make_directory(self, path: str) -> None:
        """Where there are directories; in a bucket, asking for one could make another bucket."""
        if not FLAT.intersection([self._files.protocol] if isinstance(self._files.protocol, str) else self._files.protocol):
            self._files.makedirs(posixpath.dirname(self._full(path)), exist_ok=True)

    def _file(self, oid: str, entry: FileEntry) -> str:
        return f"{addresses.object_directory(oid)}/files/{entry.path}"

    def _full(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root

    @contextlib.contextmanager
    def _asking(self, path: str) -> Iterator[None]:
        """Every protocol has errors of its own; to people they are one."""
        try:
            yield
        except KdpipeError:
            raise
        except Exception as error:
            told = str(error).partition("\n")[0]
            raise RemoteError(
                f"{self.name}/{path}: {type(error).__name__}: {told}", hint="check the address, the network and your rights"
            ) from error


def _connect(url: str) -> tuple[Any, str]:
    """The file system and the path in it."""
    try:
        url_to_fs = importlib.import_module("fsspec.core").url_to_fs
    except ImportError as error:
        raise RemoteError(f"{url} needs fsspec, which is not installed", hint="pip install 'kdpipe[remote]'") from error
    try:
        files, root = url_to_fs(url)
    except ImportError as error:
        raise RemoteError(f"{url}: {error}", hint="fsspec is there, but not the package for this protocol: pip install it") from error
    except ValueError as error:
        raise RemoteError(f"{url}: {error}", hint="fsspec's documentation lists the protocols that it knows") from error
    except Exception as error:
        raise RemoteError(f"{url}: {type(error).__name__}: {error}", hint="check the address, the network and your rights") from error
    return files, str(root).rstrip("/")


def _limited(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """At most ``size`` bytes."""
    for chunk in chunks:
        if size <= 0:
            return
        yield chunk[:size]
        size -= len(chunk)
