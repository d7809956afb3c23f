"""A remote that is a directory: a mount, something that rsync fills, or the local store itself."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from cache import addresses, network
from cache.arrival import receive_file, receive_object, receive_shard
from cache.digest import Manifest
from cache.errors import DamageError, RemoteError
from cache.remote import CHUNK, Check, Remote, Step
from cache.store import Store


class Directory(Remote):
    """A store in a directory, used with care: links and special files are refused, whether they are read or written through.

    ``own``: it is the user's own store, whose directories may lie behind links. Only :meth:`prepare` and what follows it writes.
    """

    def __init__(self, root: Path, *, own: bool = False) -> None:
        self.root = root
        self.own = own
        self.name = str(root)
        self.mend = "kdpipe fsck --repair puts it aside" if own else f"KDPIPE_STORE={root} kdpipe fsck --repair, then push it there again"
        self._store: Store | None = None

    # -- reading --------------------------------------------------------------------------------------------------

    def size(self, path: str) -> int | None:
        """Bytes of a regular file, or None."""
        found = self._stat(path)
        if found is None:
            return None
        if not stat.S_ISREG(found.st_mode):
            raise self.damage(f"{path} is not a regular file")
        return found.st_size

    def names(self, path: str) -> list[str]:
        """Names in a directory, sorted."""
        if path:
            found = self._stat(path)
            if found is None or not stat.S_ISDIR(found.st_mode):
                return []
        try:
            return sorted(n for n in os.listdir(self.root / path) if not n.startswith(network.PASSING))  # noqa: PTH208 - names are all that is wanted
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise self._failed(path, error) from error

    def local(self, path: str) -> Path | None:
        """The file or directory, with no link on the way there; None if it is not there."""
        return self.root / path if self._stat(path) is not None else None

    def chunks(self, path: str, start: int = 0) -> Iterator[bytes]:
        """The bytes of a file from ``start`` on."""
        if self.size(path) is None:
            raise self.damage(f"{path} is missing")
        try:
            descriptor = os.open(self.root / path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if self.own else os.O_NOFOLLOW))
            try:
                os.lseek(descriptor, start, os.SEEK_SET)
                while chunk := os.read(descriptor, CHUNK):
                    yield chunk
            finally:
                os.close(descriptor)
        except FileNotFoundError as error:
            raise self.damage(f"{path} was removed meanwhile") from error
        except OSError as error:
            raise self._failed(path, error) from error

    def _stat(self, path: str) -> os.stat_result | None:
        """What is at ``path``, with no link on the way there; None if nothing is."""
        place = self.root
        found: os.stat_result | None = None
        try:
            for part in path.split("/"):
                place = place / part
                found = place.stat() if self.own else place.lstat()
                if stat.S_ISLNK(found.st_mode):
                    raise self.damage(f"{place.relative_to(self.root)} is a link")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._failed(path, error) from error
        return found

    def _failed(self, path: str, error: OSError) -> RemoteError:
        return RemoteError(f"{self.root / path} cannot be read: {error.strerror}", hint="check the mount and the rights, then try again")

    # -- writing --------------------------------------------------------------------------------------------------

    @property
    def store(self) -> Store:
        """The store to write with."""
        if self._store is None:
            self._store = Store(self.root)
        return self._store

    def prepare(self) -> None:
        """Make it a store if it is none yet."""
        for path in ("tmp", "locks", "quarantine"):
            self._stat(path)
        self.store.prepare()

    def publishing(self) -> AbstractContextManager[None]:
        """Keep gc away."""
        self.prepare()
        return self.store.publishing()

    def write(self, path: str, data: bytes, *, read_only: bool = True) -> None:
        """Replace a small file by rename."""
        self._stat(path)
        self.store.write(self.root / path, data, read_only=read_only)

    def has_object(self, manifest: Manifest, *, contents: bool = False) -> bool:
        """Whether every file is there with its size; with ``contents``, its bytes."""
        files = self.root / addresses.object_directory(manifest.digest) / "files"
        try:
            if self.manifest(manifest.digest) is None:
                return False
        except DamageError:
            return False
        return all(entry.matches(files / entry.path, contents=contents) for entry in manifest.files)

    def receive_object(self, manifest: Manifest, source: Remote, step: Step) -> None:
        """Fetch an object; what an earlier transfer brought is used."""
        self._stat(addresses.object_directory(manifest.digest))
        receive_object(self.store, manifest, source, step)

    def receive_file(self, path: str, source: Remote, step: Step, check: Check) -> int:
        """Fetch a large file that tells by itself whether it is whole."""
        self._stat(path)
        return receive_file(self.store, path, source, step, check)

    def receive_shard(self, path: str, source: Remote, step: Step) -> int:
        """Fetch what is new in a shard."""
        self._stat(path)
        return receive_shard(self.store, path, source, step)
