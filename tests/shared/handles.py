"""The server's side of NFS: files are named by handles that outlive every name, and a handle of a file that is gone is stale."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterator
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
EMPTY_PATH = 0x1000


class _Handle(ctypes.Structure):
    _fields_ = (("bytes", ctypes.c_uint), ("type", ctypes.c_int), ("data", ctypes.c_ubyte * 128))


class Handles:
    """A directory that is served, and a number for each of its files that a client has seen; 1 is the directory itself.

    Nothing is kept open between two requests, as by a server that knows nothing of its clients.
    """

    def __init__(self, root: Path) -> None:
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._by_node: dict[int, bytes] = {}
        self._by_handle: dict[bytes, int] = {}
        self._guard = threading.Lock()
        self._number(self._root)

    def _number(self, descriptor: int) -> int:
        handle = _Handle(bytes=128)
        mount = ctypes.c_int()
        if _libc.name_to_handle_at(descriptor, b"", ctypes.byref(handle), ctypes.byref(mount), EMPTY_PATH):
            raise _error()
        found = bytes(handle)
        with self._guard:
            node = self._by_handle.setdefault(found, len(self._by_handle) + 1)
            self._by_node[node] = found
        return node

    @contextlib.contextmanager
    def opened(self, node: int, flags: int = os.O_PATH) -> Iterator[int]:
        """The file of ``node``. Raises ESTALE if it was removed."""
        handle = _Handle.from_buffer_copy(self._by_node[node])
        descriptor = _libc.open_by_handle_at(self._root, ctypes.byref(handle), flags | os.O_CLOEXEC)
        if descriptor < 0:
            raise _error()
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def stat(self, node: int) -> os.stat_result:
        """The attributes of a file, as they are now. Raises ESTALE if it was removed."""
        with self.opened(node) as descriptor:
            return os.fstat(descriptor)

    def find(self, parent: int, name: str) -> tuple[int, os.stat_result]:
        """What a directory holds under ``name``. Raises ENOENT."""
        with self.opened(parent) as directory:
            descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            try:
                return self._number(descriptor), os.fstat(descriptor)
            finally:
                os.close(descriptor)


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
