"""A machine that mounts a directory as an NFS client does, as far as a store can notice.

* Attributes are believed for ``acreg`` seconds (files) or ``acdir`` seconds (directories), and so is what a name means, also that there is
  nothing, as long as the directory seems unchanged (lookupcache=all). What this machine itself changes in a directory it sees at once.
* Opening a file asks the server for its attributes, closing it or fsync brings to the server what was written (close-to-open).
* The reply to every ``lose``-th rename, mkdir, unlink and rmdir is lost: it is sent again, and finds its own work done.
* A file that is removed or replaced while it is open here stays as ``.nfs…`` until it is closed; elsewhere its handle becomes stale.
* ``flock`` reaches this machine only (``local``, as with nolock or local_lock=flock), all machines (``shared``, as NFSv4), or is refused.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.shared import wire
from tests.shared.handles import Handles
from tests.shared.wire import Connection, Request

#: What setattr is asked to change, and flags of flock's request.
MODE, OWNER, GROUP, SIZE, ATIME, MTIME, ATIME_NOW, MTIME_NOW = 1, 2, 4, 8, 16, 32, 128, 256
UNLOCK_FLOCK = 2


@dataclass(frozen=True)
class Manners:
    """How a client is mounted: see this module."""

    acreg: float = 3.0
    acdir: float = 30.0
    lose: int = 0
    locks: str = "local"


class FileLocks:
    """The locks of a server that knows who holds them, for all of its clients."""

    def __init__(self) -> None:
        self._holders: dict[int, dict[object, int]] = defaultdict(dict)
        self._changed = threading.Condition()

    def take(self, node: int, owner: object, kind: int) -> bool:
        """Take (F_RDLCK, F_WRLCK) or give back (F_UNLCK) the lock on a file; False if others are in the way."""
        with self._changed:
            holders = self._holders[node]
            if kind == fcntl.F_UNLCK:
                holders.pop(owner, None)
            elif any(one != owner and fcntl.F_WRLCK in (kind, held) for one, held in holders.items()):
                return False
            else:
                holders[owner] = kind
            self._changed.notify_all()
            return True

    def wait(self) -> None:
        """Until something was changed, or a moment."""
        with self._changed:
            self._changed.wait(0.05)


class Client:
    """Answers what the processes of one machine ask."""

    def __init__(self, handles: Handles, connection: Connection, manners: Manners, locks: FileLocks) -> None:
        self.handles, self.connection, self.manners, self.locks = handles, connection, manners, locks
        self._attributes: dict[int, tuple[os.stat_result, float]] = {}
        self._names: dict[tuple[int, str], tuple[int, tuple[int, ...]]] = {}
        self._listings: dict[int, tuple[list[tuple[str, int, int]], tuple[int, ...]]] = {}
        self._open: dict[int, int] = defaultdict(int)
        self._unwritten: dict[int, list[tuple[int, bytes]]] = defaultdict(list)
        self._silly: dict[int, tuple[int, str]] = {}
        self._interrupted: set[int] = set()
        self._changes = 0
        self._answers: dict[int, Callable[[Request], bytes]] = {
            wire.LOOKUP: self._lookup, wire.GETATTR: self._getattr, wire.SETATTR: self._setattr,
            wire.MKNOD: self._mknod, wire.MKDIR: self._mkdir, wire.CREATE: self._create, wire.OPEN: self._open_file,
            wire.READ: self._read, wire.WRITE: self._write, wire.FLUSH: self._settle, wire.FSYNC: self._settle, wire.RELEASE: self._release,
            wire.UNLINK: self._unlink, wire.RMDIR: self._rmdir, wire.RENAME: self._rename, wire.RENAME2: self._rename,
            wire.OPENDIR: lambda request: struct.pack("<Q2I", 0, 0, 0), wire.READDIR: self._readdir,
            wire.RELEASEDIR: lambda request: b"", wire.FSYNCDIR: lambda request: b"",
            wire.STATFS: lambda request: struct.pack("<5Q4I24x", 1 << 30, 1 << 29, 1 << 29, 1 << 20, 1 << 20, 4096, 255, 4096, 0),
        }  # fmt: skip

    def serve(self) -> None:
        """Until it is unmounted."""
        while (request := self.connection.read()) is not None:
            if request.code == wire.INTERRUPT:
                self._interrupted.add(struct.unpack("<Q", request.body)[0])
            elif request.code in (wire.SETLK, wire.SETLKW):
                threading.Thread(target=self._lock, args=(request,), daemon=True).start()
            elif request.code not in wire.SILENT:
                self._answer(request)

    def _answer(self, request: Request) -> None:
        try:
            answer = self._answers.get(request.code)
            if answer is None:
                raise OSError(errno.ENOSYS, "")
            body = answer(request)
        except OSError as error:
            if error.errno == errno.ESTALE:
                self._forget(request.node)
            self.connection.refuse(request, error.errno or errno.EIO)
        else:
            self.connection.reply(request, body)

    # -- what is believed ---------------------------------------------------------------------------------------------

    def _stat(self, node: int, *, anew: bool = False) -> os.stat_result:
        if node in self._unwritten:
            self._bring(node)
        found, until = self._attributes.get(node, (None, 0.0))
        if found is None or anew or time.monotonic() >= until:
            found = self._keep(node, self.handles.stat(node))
        return found

    def _keep(self, node: int, found: os.stat_result) -> os.stat_result:
        trusted = self.manners.acdir if found.st_mode & 0o40000 else self.manners.acreg
        self._attributes[node] = (found, time.monotonic() + trusted)
        return found

    def _state(self, directory: int) -> tuple[int, ...]:
        """As long as this stays the same, names in a directory are believed."""
        found = self._stat(directory)
        return (found.st_mtime_ns, found.st_ctime_ns, found.st_nlink)

    def _forget(self, node: int) -> None:
        self._attributes.pop(node, None)
        self._names = {place: known for place, known in self._names.items() if node not in (place[0], known[0])}

    def _changed(self, directory: int) -> None:
        """This machine changed something there: the reply says how the directory is now, so all names in it are looked up again."""
        self._names = {place: known for place, known in self._names.items() if place[0] != directory}
        self._listings.pop(directory, None)
        self._stat(directory, anew=True)

    def _find(self, parent: int, name: str) -> int:
        """The number of what is called ``name``; 0 if there is nothing, as far as this machine knows."""
        state = self._state(parent)
        node, then = self._names.get((parent, name), (0, ()))
        if then == state:
            return node
        try:
            node, found = self.handles.find(parent, name)
            self._keep(node, found) if node not in self._unwritten else None
        except FileNotFoundError:
            node = 0
        self._names[parent, name] = (node, state)
        return node

    # -- names --------------------------------------------------------------------------------------------------------

    def _lookup(self, request: Request) -> bytes:
        (name,) = request.names(0)
        node = self._find(request.node, name)
        if not node:
            raise FileNotFoundError(errno.ENOENT, "")
        try:
            return wire.entry(node, self._stat(node))
        except OSError:
            self._forget(node)
            node = self._find(request.node, name)
            if not node:
                raise FileNotFoundError(errno.ENOENT, "") from None
            return wire.entry(node, self._stat(node))

    def _entry(self, parent: int, name: str) -> bytes:
        self._changed(parent)
        node = self._find(parent, name)
        return wire.entry(node, self._stat(node))

    def _once_or_twice(self, work: Callable[[int], None], directory: int) -> None:
        """Do ``work`` in a directory; if the reply is lost, once more."""
        self._changes += 1
        twice = self.manners.lose and self._changes % self.manners.lose == 0
        try:
            with self.handles.opened(directory) as descriptor:
                for _ in range(2 if twice else 1):
                    work(descriptor)
        finally:
            self._changed(directory)

    def _mkdir(self, request: Request) -> bytes:
        mode, _ = struct.unpack_from("<2I", request.body)
        (name,) = request.names(8)
        self._once_or_twice(lambda directory: os.mkdir(name, mode, dir_fd=directory), request.node)
        return self._entry(request.node, name)

    def _mknod(self, request: Request) -> bytes:
        mode, *_ = struct.unpack_from("<4I", request.body)
        (name,) = request.names(16)
        with self.handles.opened(request.node) as directory:
            os.mknod(name, mode, dir_fd=directory)
        return self._entry(request.node, name)

    def _create(self, request: Request) -> bytes:
        """As exclusive as the server is: a verifier tells a client that the file is its own."""
        flags, mode, *_ = struct.unpack_from("<4I", request.body)
        (name,) = request.names(16)
        with self.handles.opened(request.node) as directory:
            os.close(os.open(name, (flags & (os.O_EXCL | os.O_TRUNC)) | os.O_CREAT | os.O_WRONLY, mode & 0o7777, dir_fd=directory))
        entry = self._entry(request.node, name)
        self._open[self._find(request.node, name)] += 1
        return entry + struct.pack("<Q2I", 0, 0, 0)

    def _unlink(self, request: Request) -> bytes:
        (name,) = request.names(0)
        if not self._put_aside(request.node, name):
            self._once_or_twice(lambda directory: os.unlink(name, dir_fd=directory), request.node)
        return b""

    def _put_aside(self, parent: int, name: str) -> bool:
        """Give a file that is open here a silly name instead of removing it; False if it is not open."""
        node = self._find(parent, name)
        if not self._open.get(node):
            return False
        silly = f".nfs{node:016x}"
        with self.handles.opened(parent) as directory:
            os.rename(name, silly, src_dir_fd=directory, dst_dir_fd=directory)
        self._silly[node] = (parent, silly)
        self._changed(parent)
        return True

    def _rmdir(self, request: Request) -> bytes:
        (name,) = request.names(0)
        self._once_or_twice(lambda directory: os.rmdir(name, dir_fd=directory), request.node)
        return b""

    def _rename(self, request: Request) -> bytes:
        (target,) = struct.unpack_from("<Q", request.body)
        old, new = request.names(16 if request.code == wire.RENAME2 else 8)
        replaced = self._find(target, new)
        if self._open.get(replaced) and replaced != self._find(request.node, old):
            self._put_aside(target, new)
        try:
            with self.handles.opened(target) as there:
                self._once_or_twice(lambda here: os.rename(old, new, src_dir_fd=here, dst_dir_fd=there), request.node)
        finally:
            self._changed(target)
        return b""

    def _readdir(self, request: Request) -> bytes:
        _, start, size, *_ = struct.unpack_from("<2Q2I", request.body)
        names, then = self._listings.get(request.node, ([], ()))
        state = self._state(request.node)
        if start == 0 and then != state:
            with self.handles.opened(request.node, os.O_RDONLY | os.O_DIRECTORY) as directory, os.scandir(directory) as entries:
                names = [(one.name, one.inode(), 4 if one.is_dir(follow_symlinks=False) else 8) for one in entries]
            self._listings[request.node] = (names, state)
        return wire.listing(names, start, size)

    # -- files --------------------------------------------------------------------------------------------------------

    def _getattr(self, request: Request) -> bytes:
        return struct.pack("<QII", 0, 0, 0) + wire.attributes(self._stat(request.node))

    def _setattr(self, request: Request) -> bytes:
        valid, _, _, size, _, atime, mtime, _, atime_ns, mtime_ns, _, mode, _, uid, gid, _ = struct.unpack_from("<2I6Q8I", request.body)
        self._stat(request.node)  # brings what was written
        with self.handles.opened(request.node) as descriptor:
            path = f"/proc/self/fd/{descriptor}"
            if valid & SIZE:
                os.truncate(path, size)
            if valid & (OWNER | GROUP):
                os.chown(path, uid if valid & OWNER else -1, gid if valid & GROUP else -1)
            if valid & MODE:
                Path(path).chmod(mode & 0o7777)
            if valid & (ATIME_NOW | MTIME_NOW):
                os.utime(path)
            elif valid & (ATIME | MTIME):
                os.utime(path, ns=(atime * 10**9 + atime_ns, mtime * 10**9 + mtime_ns))
        return struct.pack("<QII", 0, 0, 0) + wire.attributes(self._stat(request.node, anew=True))

    def _open_file(self, request: Request) -> bytes:
        (flags,) = struct.unpack_from("<I", request.body)
        self._stat(request.node, anew=True)
        if flags & os.O_TRUNC:
            with self.handles.opened(request.node) as descriptor:
                os.truncate(f"/proc/self/fd/{descriptor}", 0)
            self._stat(request.node, anew=True)
        self._open[request.node] += 1
        return struct.pack("<Q2I", 0, 0, 0)

    def _read(self, request: Request) -> bytes:
        _, offset, size = struct.unpack_from("<2QI", request.body)
        self._bring(request.node)
        with self.handles.opened(request.node, os.O_RDONLY) as descriptor:
            return os.pread(descriptor, size, offset)

    def _write(self, request: Request) -> bytes:
        _, offset, size = struct.unpack_from("<2QI", request.body)
        self._unwritten[request.node].append((offset, request.body[40 : 40 + size]))
        return struct.pack("<2I", size, 0)

    def _bring(self, node: int) -> None:
        """Send the server what was written here."""
        waiting = self._unwritten.pop(node, None)
        if waiting:
            with self.handles.opened(node, os.O_WRONLY) as descriptor:
                for offset, data in waiting:
                    os.pwrite(descriptor, data, offset)
            self._keep(node, self.handles.stat(node))

    def _settle(self, request: Request) -> bytes:
        self._bring(request.node)
        return b""

    def _release(self, request: Request) -> bytes:
        _, _, flags, owner = struct.unpack_from("<Q2IQ", request.body)
        if flags & UNLOCK_FLOCK:
            self.locks.take(request.node, (id(self), owner), fcntl.F_UNLCK)
        self._open[request.node] -= 1
        if not self._open[request.node] and request.node in self._silly:
            parent, name = self._silly.pop(request.node)
            self._unwritten.pop(request.node, None)
            with self.handles.opened(parent) as directory:
                os.unlink(name, dir_fd=directory)
            self._changed(parent)
        return b""

    def _lock(self, request: Request) -> None:
        _, owner, _, _, kind = struct.unpack_from("<4QI", request.body)
        if self.manners.locks == "refused":
            return self.connection.refuse(request, errno.ENOLCK)
        while not self.locks.take(request.node, (id(self), owner), kind):
            if request.code == wire.SETLK or request.unique in self._interrupted:
                return self.connection.refuse(request, errno.EAGAIN if request.code == wire.SETLK else errno.EINTR)
            self.locks.wait()
        return self.connection.reply(request)
