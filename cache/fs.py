"""Every write to the store goes through here: one place to make it durable, and to break it in tests (:mod:`cache.faults`)."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from cache import faults, network

#: Rights of a new file before the umask: who shares a store says in the umask whether the group may write (docs/SHARING.md).
SHARED = 0o666

#: A directory of a group's store: setgid, and the group may write.
GROUP_ROOM = stat.S_ISGID | stat.S_IWGRP

Buffer: TypeAlias = bytes | bytearray | memoryview


def share(file: int | Path, path: Path) -> None:
    """Let the group write what was just made at ``path`` (``file``: it, or its descriptor), if the directory around it is the group's.

    Such a directory hands its group on (setgid) and may be written by it. Whatever the umask of one of its users is, the others can go on.
    """
    around, found = path.parent.stat().st_mode, os.fstat(file) if isinstance(file, int) else file.stat()
    if around & GROUP_ROOM == GROUP_ROOM and found.st_uid == os.geteuid():
        wanted = found.st_mode | (0o2070 if stat.S_ISDIR(found.st_mode) else 0o060)
        if wanted != found.st_mode:
            os.fchmod(file, stat.S_IMODE(wanted)) if isinstance(file, int) else file.chmod(stat.S_IMODE(wanted))


def fsync_directory(path: Path) -> None:
    """Make the names in ``path`` durable."""
    _fsync_at(path, os.O_RDONLY | os.O_DIRECTORY)


def make_directory(path: Path) -> None:
    """Create ``path`` and its parents, durably."""
    missing = []
    probe = path
    while not probe.exists():
        missing.append(probe)
        probe = probe.parent
    for directory in reversed(missing):
        faults.step("mkdir", directory)
        directory.mkdir(exist_ok=True)
        share(directory, directory)
        fsync_directory(directory.parent)


def fsync_file(path: Path) -> None:
    """Make the bytes of ``path`` durable."""
    _fsync_at(path, os.O_RDONLY)


def append(path: Path, data: bytes) -> None:
    """Append ``data`` to ``path`` (created if missing) and make it durable; after an error the file has its old length."""
    faults.step("open", path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, SHARED)
    try:
        before = os.lseek(descriptor, 0, os.SEEK_END)
        if before == 0:
            share(descriptor, path)
        try:
            _write(descriptor, data, path)
            _fsync(descriptor, path)
        except OSError:
            os.ftruncate(descriptor, before)
            raise
    finally:
        os.close(descriptor)
    if before == 0:
        fsync_directory(path.parent)


def append_line(path: Path, line: bytes) -> None:
    """Append one line to a log that only saves work, in one write and as far as it can be written: where it cannot, nothing is lost."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        share(path.parent, path.parent)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, SHARED)
        try:
            share(descriptor, path)
            os.write(descriptor, line)
        finally:
            os.close(descriptor)


def write_new(path: Path, data: bytes, *, read_only: bool = False) -> None:
    """Create ``path`` with ``data`` and make its bytes durable (its name is the caller's business)."""
    faults.step("open", path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, SHARED)
    try:
        _write(descriptor, data, path)
        if read_only:
            os.fchmod(descriptor, 0o444)
        else:
            share(descriptor, path)
        _fsync(descriptor, path)
    finally:
        os.close(descriptor)


class Stream:
    """A file that is written piece by piece, and the digest of what it was given."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self.digest = hashlib.sha256()
        self._descriptor, self._path = descriptor, path

    def write(self, data: Buffer) -> int:
        """Write all of ``data``."""
        self.digest.update(data)
        _write(self._descriptor, data, self._path)
        return memoryview(data).nbytes

    def flush(self) -> None:
        """Nothing: nothing is held back."""


def write_stream(path: Path, produce: Callable[[Stream], None]) -> str:
    """Create ``path`` from what ``produce`` writes, make its bytes durable (its name is the caller's business); return their sha256."""
    faults.step("open", path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, SHARED)
    try:
        share(descriptor, path)
        stream = Stream(descriptor, path)
        produce(stream)
        _fsync(descriptor, path)
    finally:
        os.close(descriptor)
    return stream.digest.hexdigest()


def write_atomic(path: Path, data: bytes, *, temporary: Path | None = None, read_only: bool = False) -> None:
    """Replace ``path`` by ``data``: readers see the old bytes or the new, never a part.

    ``temporary`` is a free name on the same file system (default: beside ``path``); a kill may leave it behind.
    """
    make_directory(path.parent)
    temporary = temporary or path.parent / f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp"
    try:
        write_new(temporary, data, read_only=read_only)
        rename(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_directory(path.parent)


def reserve(descriptor: int, size: int) -> None:
    """Ask for room for the first ``size`` bytes of a file that will be written piece by piece; its length stays as it is.

    Writing into reserved room is a quarter faster. A system or file system that cannot do it is as well.
    """
    if sys.platform != "linux":
        return
    import ctypes  # not for the verbs that only look

    keep_size = 1  # FALLOC_FL_KEEP_SIZE: unlike os.posix_fallocate, which also writes every block where the kernel cannot help
    arguments = (ctypes.c_int(descriptor), ctypes.c_int(keep_size), ctypes.c_int64(0), ctypes.c_int64(size))
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).fallocate64(*arguments)


def rename(source: Path, target: Path) -> None:
    """Rename within one file system, replacing ``target`` if it is a file. One whose reply was lost (:mod:`cache.network`) is done."""
    moved = network.identity(source)
    faults.step("rename", target)
    try:
        source.replace(target)
        faults.step("renamed", target)
    except FileNotFoundError:
        if not network.landed(source, target, moved):
            raise


def move(source: Path, target: Path) -> None:
    """Rename durably: both directories are synced. The target's directory is made if it is not there."""
    make_directory(target.parent)
    rename(source, target)
    fsync_directory(target.parent)
    fsync_directory(source.parent)


def publish_directory(temporary: Path, final: Path) -> bool:
    """Rename a finished directory to its final name; False if another writer was first (its content is the same)."""
    make_directory(final.parent)
    moved = network.identity(temporary)
    faults.step("rename", final)
    while True:
        try:
            temporary.rename(final)
            faults.step("renamed", final)
        except OSError as error:
            if not network.landed(temporary, final, moved):
                if final.is_dir():
                    return False
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                    network.look_anew(final.parent)
                    continue  # who was first is collected by now
                raise
        fsync_directory(final.parent)
        return True


def touch(path: Path) -> None:
    """Say that ``path`` is of use now, where we may: whoever collects what is old leaves it alone."""
    faults.step("utime", path)
    with contextlib.suppress(PermissionError, FileNotFoundError):
        os.utime(path)


def make_read_only(path: Path) -> None:
    """Take the right to write from everybody."""
    faults.step("chmod", path)
    path.chmod(0o444)


def remove_file(path: Path) -> None:
    """Remove ``path`` durably; nothing happens if it is not there."""
    faults.step("unlink", path)
    try:
        path.unlink()
    except FileNotFoundError:
        return
    fsync_directory(path.parent)


def remove_tree(path: Path) -> None:
    """Remove a directory with everything in it; what cannot be removed stays."""
    faults.step("unlink", path)
    shutil.rmtree(path, ignore_errors=True)


def _write(descriptor: int, data: Buffer, path: Path) -> None:
    """Write all of ``data``: the system may take less than it is given."""
    view = memoryview(data).cast("B")
    with _naming(path):
        while view:
            allowed = faults.step("write", path, len(view))
            view = view[os.write(descriptor, view[:allowed]) :]


def _fsync_at(path: Path, flags: int) -> None:
    faults.step("fsync", path)
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fsync(descriptor: int, path: Path) -> None:
    faults.step("fsync", path)
    with _naming(path):
        os.fsync(descriptor)


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Errors of calls on a descriptor do not say which file; people want to know."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
