"""Files as nobody should bring them, and what a reader may say of them: shared by the tests of every reader of users' files."""

from __future__ import annotations

import gzip
import io
import os
import resource
import signal
import socket
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from hypothesis import strategies as st

from cache.errors import KdpipeError

SECONDS = 20
MEMORY = 1 << 30


def truncations(data: bytes) -> Iterator[bytes]:
    """Every proper beginning of a small sample, the empty one first."""
    return (data[:end] for end in range(len(data)))


def shrinking(path: Path, data: bytes) -> Iterator[int]:
    """Write ``data`` to ``path`` and cut it there byte by byte; yield each size, down to 0. Writing each of them anew takes longer."""
    path.write_bytes(data)
    for size in reversed(range(len(data))):
        os.truncate(path, size)
        yield size


@st.composite
def spoilt(draw: st.DrawFn, data: bytes) -> bytes:
    """Random bytes, or ``data`` with up to four places overwritten, put in or taken out."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=300))
    found = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(found)))
        found[start : start + draw(st.integers(0, 8))] = draw(st.binary(max_size=8))
    return bytes(found)


def _hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["rows"] = np.zeros((3, 4), np.float32)


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("inside.txt", "a 1 2\n")


def _npy(path: Path) -> None:
    np.save(buffer := io.BytesIO(), np.zeros((3, 4), np.float32))
    path.write_bytes(buffer.getvalue())


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as there:
        before = Path.cwd()
        os.chdir(path.parent)  # the path of a socket may have 107 bytes
        try:
            there.bind(path.name)
        finally:
            os.chdir(before)


#: What else may lie where a file is expected -> what makes it there. A reader refuses all of it, unless it reads that very format.
WRONG: dict[str, Callable[[Path], Any]] = {
    "nothing": lambda path: None,
    "an empty file": lambda path: path.write_bytes(b""),
    "a directory": lambda path: path.mkdir(),
    "a pipe that nobody writes to": lambda path: os.mkfifo(path),
    "a socket": _socket,
    "zeros without end": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "64 MB of zeros": lambda path: path.write_bytes(bytes(64 << 20)),
    "64 MB without a line end": lambda path: path.write_bytes(b"a 1," * (16 << 20)),
    "an HDF5 file": _hdf5,
    "an npy file": _npy,
    "a zip archive": _zip,
    "a gzip file": lambda path: path.write_bytes(gzip.compress(b"a 1 2\n")),
    "a PNG": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"),
    "UTF-16 text": lambda path: path.write_bytes("a 1 2\n".encode("utf-16")),
    "latin-1 text": lambda path: path.write_bytes("é 1 2\n".encode("latin-1")),
}


def refusal(path: Path, read: Callable[[], Any]) -> KdpipeError | None:
    """The error of ours that ``read`` raises, or None if it returns: nothing else may come of it.

    Another exception, more than :data:`SECONDS`, more than :data:`MEMORY` or an error that does not name ``path`` fails the test.
    """
    try:
        with _guarded():
            read()
    except KdpipeError as error:
        assert path.name in error.message, f"the file is not named: {error.message}"
        return error
    return None


@contextmanager
def _guarded() -> Iterator[None]:
    """No more than :data:`SECONDS` and :data:`MEMORY` more address space."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    limits = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, _hung)
    signal.alarm(SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)


def _hung(*_: Any) -> None:
    raise AssertionError(f"nothing after {SECONDS} s")
