"""The kernel's side of a file system in user space: reads requests from ``/dev/fuse`` and writes replies (include/uapi/linux/fuse.h).

Only what a store needs, and no cache in the kernel at all: every look at a name or at attributes comes to the server, which can then
answer as it likes.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import struct
from dataclasses import dataclass
from pathlib import Path

HEADER = struct.Struct("<IIQQIIIHH")
REPLY = struct.Struct("<IiQ")
ATTRIBUTES = struct.Struct("<6Q10I")
MAX_WRITE = 1 << 17

LOOKUP, FORGET, GETATTR, SETATTR = 1, 2, 3, 4
MKNOD, MKDIR, UNLINK, RMDIR, RENAME = 8, 9, 10, 11, 12
OPEN, READ, WRITE, STATFS, RELEASE, FSYNC = 14, 15, 16, 17, 18, 20
FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR, FSYNCDIR = 25, 26, 27, 28, 29, 30
SETLK, SETLKW, CREATE, INTERRUPT, DESTROY, BATCH_FORGET, RENAME2 = 32, 33, 35, 36, 38, 42, 45
#: Requests that get no reply.
SILENT = (FORGET, BATCH_FORGET, INTERRUPT)

#: What is asked for at the beginning: the kernel sends O_TRUNC with open, writes of more than a page, and, if wanted, flock.
ATOMIC_O_TRUNC, BIG_WRITES, FLOCK = 1 << 3, 1 << 5, 1 << 10

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Request:
    """What some process asked: ``node`` is the number that an earlier reply gave to a file, ``body`` the arguments."""

    code: int
    unique: int
    node: int
    body: bytes

    def names(self, start: int) -> list[str]:
        """The names behind ``start`` bytes of arguments."""
        return [os.fsdecode(name) for name in self.body[start:].split(b"\0")[:-1]]


class Connection:
    """A mounted file system, seen from its server."""

    def __init__(self, mount: Path, *, flock: bool) -> None:
        self.mount, self._flock = mount, flock
        self._device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self._device},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
        if _libc.mount(b"kdpipe-test", os.fsencode(mount), b"fuse", 2 | 4, options.encode()):  # nosuid, nodev
            number = ctypes.get_errno()
            os.close(self._device)
            raise OSError(number, os.strerror(number), str(mount))

    def unmount(self) -> None:
        """Take it out of the tree, whoever still uses it."""
        _libc.umount2(os.fsencode(self.mount), 2)

    def read(self) -> Request | None:
        """The next request; None when there is no mount any more."""
        while True:
            try:
                data = os.read(self._device, MAX_WRITE + 8192)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.EINTR, errno.EAGAIN):
                    continue
                return None
            _, code, unique, node, *_ = HEADER.unpack_from(data)
            request = Request(code, unique, node, data[HEADER.size :])
            if code != INIT:
                return request
            self._begin(request)

    def _begin(self, request: Request) -> None:
        major, minor, readahead, offered = struct.unpack_from("<4I", request.body)
        wanted = ATOMIC_O_TRUNC | BIG_WRITES | (FLOCK if self._flock else 0)
        body = struct.pack("<4I2H2I2H2I", major, min(minor, 31), readahead, offered & wanted, 16, 12, MAX_WRITE, 1, 32, 0, 0, 0)
        self.reply(request, body.ljust(64, b"\0"))

    def reply(self, request: Request, body: bytes = b"") -> None:
        """Say that it was done."""
        self._write(REPLY.pack(REPLY.size + len(body), 0, request.unique) + body)

    def refuse(self, request: Request, number: int) -> None:
        """Say that it failed, with the number of an error."""
        self._write(REPLY.pack(REPLY.size, -number, request.unique))

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # whoever asked was killed meanwhile
            os.write(self._device, data)


def attributes(found: os.stat_result) -> bytes:
    """What stat says, in the kernel's form."""
    times = [divmod(ns, 10**9) for ns in (found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns)]
    seconds, nanoseconds = zip(*times, strict=True)
    rest = (found.st_mode, found.st_nlink, found.st_uid, found.st_gid, 0, 4096, 0)
    return ATTRIBUTES.pack(found.st_ino, found.st_size, found.st_blocks, *seconds, *nanoseconds, *rest)


def entry(node: int, found: os.stat_result | None) -> bytes:
    """A name that was looked up, valid for no time; ``node`` 0 says that it is not there."""
    return struct.pack("<4Q2I", node, 0, 0, 0, 0, 0) + (attributes(found) if found else bytes(ATTRIBUTES.size))


def listing(names: list[tuple[str, int, int]], start: int, size: int) -> bytes:
    """As much of a directory, (name, inode, type), as fits into ``size`` bytes, from place ``start`` on."""
    out = b""
    for place, (name, inode, kind) in enumerate(names[start:], start + 1):
        text = os.fsencode(name)
        one = struct.pack("<2Q2I", inode, place, len(text), kind) + text
        one += bytes(-len(one) % 8)
        if len(out) + len(one) > size:
            break
        out += one
    return out
