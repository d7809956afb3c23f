"""Locks that save work. Correctness never needs them: two runs of one key publish the same object.

A lock is a file that its holder locks in the kernel (released when the holder dies) and in which it says who it is: host, boot id, pid
and its namespace, start of the process, and a heartbeat (the file's time stamp). Under one kernel the kernel decides, for all containers.
Where locks do not reach other machines, or there are none (some network file systems), whoever made the file has the lock, and a holder
of whom nobody here can tell whether it lives is believed as long as its heart beats. Two machines that find the file of a dead holder at
the same moment may both take it: they do the work twice.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cache import faults, fs, network
from cache.machine import UNKNOWN, boot_id, host, machine, pid_space, tells_starts

#: Seconds between two heartbeats, and after how many without one a holder on another machine counts as dead.
BEAT = 10.0
DEAD_AFTER = 120.0
#: For how many seconds a file that says nothing yet belongs to whoever made it.
CLAIM = 2.0
#: Longest pause between two looks at a lock that somebody holds.
POLL = 0.5

_held: set[int] = set()


def _close_in_child() -> None:
    """A forked worker must not keep its parent's locks alive."""
    for descriptor in _held:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_close_in_child)


@dataclass(frozen=True)
class Owner:
    """A process, in a way that no other can be mistaken for it: not a later one, nor one in a container with its host name and pid.

    ``space`` is the namespace in which ``pid`` has its meaning, ``machine`` is :func:`cache.machine.machine`; older stores lack both.
    """

    host: str
    boot: str
    pid: int
    started: int
    space: str = ""
    machine: str = ""

    @classmethod
    def me(cls) -> Owner:
        """This process."""
        return cls(host(), boot_id(), os.getpid(), _started(os.getpid()), pid_space(), machine())

    @property
    def token(self) -> str:
        """A file name that says who made the file: see :meth:`parse`."""
        return f"{self.host}_{self.boot}_{self.pid}_{self.started}_{self.space}_{self.machine}_{uuid.uuid4().hex[:12]}"

    @classmethod
    def parse(cls, name: str) -> Owner | None:
        """The owner that a :attr:`token` names, or None."""
        parts = name.split("_")
        if len(parts) < 5 or not (parts[2].isdigit() and parts[3].isdigit()):
            return None
        space, named = parts[4:6] if len(parts) > 6 else ("", "")
        return cls(parts[0], parts[1], int(parts[2]), int(parts[3]), space, named)

    @property
    def here(self) -> bool:
        """Whether its pid means something here: this start of this machine, and not in another container."""
        return (self.host, self.boot) == (host(), boot_id()) and self.space in ("", pid_space()) and tells_starts(self.boot)

    @property
    def same_kernel(self) -> bool:
        """Whether its kernel locks would be seen here, from whatever container."""
        return self.boot == boot_id() and (self.boot != UNKNOWN or self.host == host()) and tells_starts(self.boot)

    @property
    def dead(self) -> bool:
        """Whether it certainly lives no more: its pid means something here, and is gone. Elsewhere it may always be alive."""
        return self.here and _started(self.pid) != self.started

    @property
    def restarted(self) -> bool:
        """Whether its machine seems to be this one before it was started anew: dead then, unless two were made from one image."""
        return (self.host, self.machine) == (host(), machine()) and self.boot != boot_id()


@dataclass(frozen=True)
class Holder:
    """Who holds a lock. ``uses`` names what it reads and must find: gc leaves that alone (see :mod:`cache.gc`)."""

    owner: Owner
    what: str = ""
    since: float = 0.0
    uses: dict[str, list[str]] = field(default_factory=dict)

    def __str__(self) -> str:
        when = time.strftime("%H:%M:%S", time.localtime(self.since))
        where = "" if self.owner.here else " in another container" if self.owner.same_kernel else f" on {self.owner.host}"
        return f"process {self.owner.pid}{where} (since {when})"


class Lock:
    """An advisory lock file; see :func:`acquire`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._stop = threading.Event()
        _held.add(descriptor)

    def describe(self, what: str, uses: Mapping[str, list[str]]) -> None:
        """Say in the lock who holds it and what it uses, and let the heart beat."""
        holder = {**asdict(Holder(Owner.me(), what, time.time(), {name: list(value) for name, value in uses.items()}))}
        data = json.dumps(holder).encode() + b"\n"
        faults.step("lock", self.path)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, data, 0)
        os.fsync(self._descriptor)  # else other machines would see an empty file for a while
        threading.Thread(target=self._beat, daemon=True, name="heartbeat").start()

    def _beat(self) -> None:
        while not self._stop.wait(BEAT):
            try:
                os.utime(self._descriptor)
            except OSError:
                return

    def release(self) -> None:
        """Remove the lock file, unless another machine has taken it over, then let go."""
        self._stop.set()
        try:
            faults.step("unlock", self.path)
            if _is_still(self.path, self._descriptor):
                self.path.unlink(missing_ok=True)
        finally:
            _held.discard(self._descriptor)
            with contextlib.suppress(OSError):  # stale: another machine removed it
                os.close(self._descriptor)


def acquire(path: Path, *, wait: bool = True, waiting: Callable[[Holder | None], None] | None = None) -> Lock | None:
    """Take the lock at ``path`` (its directory must exist); None if somebody holds it and ``wait`` is False.

    ``waiting(holder)`` is called once if there is somebody to wait for.
    """
    pause = 0.02
    told = False
    made: int | None = None
    while True:
        descriptor, new = _open(path)
        made = os.fstat(descriptor).st_ino if new else made
        holder, free = _look(path, descriptor, made)
        if free:
            return Lock(path, descriptor)
        with contextlib.suppress(OSError):
            os.close(descriptor)
        if not wait:
            return None
        if waiting is not None and not told:
            waiting(holder)
            told = True
        time.sleep(pause)
        pause = min(pause * 1.5, POLL)


def _open(path: Path) -> tuple[int, bool]:
    """The file of a lock, and whether we made it: of all machines, one does."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, flags | os.O_EXCL, fs.SHARED)
        fs.share(descriptor, path)
        return descriptor, True
    return os.open(path, flags, fs.SHARED), False


def _look(path: Path, descriptor: int, made: int | None = None) -> tuple[Holder | None, bool]:
    """(who holds it, whether we have it now); ``made``: the file that we made."""
    if _is_young(path, descriptor, made):
        return None, False
    locked = True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(descriptor), False
    except OSError:
        locked = False
    holder = _read(descriptor)
    if not _is_still(path, descriptor):
        return holder, False  # its last holder removed it: try again with the new file
    return holder, holder is None or not _believed(holder.owner, path, locked)


def _believed(owner: Owner, path: Path, locked: bool) -> bool:
    """Whether a holder may live though nobody has the kernel's lock; ``locked``: the file system has such locks."""
    if owner.dead or (locked and owner.same_kernel):
        return False
    return age(path) < DEAD_AFTER


def _is_young(path: Path, descriptor: int, made: int | None) -> bool:
    """Whether somebody else made the file a moment ago and has not said yet who it is. Asked before the lock is tried: it is theirs."""
    try:
        found = os.fstat(descriptor)
        return found.st_size == 0 and found.st_ino != made and age(path) < CLAIM
    except OSError:
        return True  # stale: it was removed


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except OSError:  # gone, or stale
        return False


def holder_of(path: Path) -> Holder | None:
    """Who holds the lock at ``path`` right now, or None. Changes nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        holder, locked = _read(descriptor), True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        except BlockingIOError:
            return holder or Holder(Owner("", "", 0, 0))
        except OSError:
            locked = False
        return holder if holder is not None and _believed(holder.owner, path, locked) else None
    finally:
        os.close(descriptor)


def age(path: Path) -> float:
    """Seconds since the last heartbeat by the file system's own clock, so that clocks of machines need not agree."""
    probe = path.parent / f".clock-{uuid.uuid4().hex[:12]}"
    try:
        probe.touch()
        return network.age_of(path, probe.stat().st_mtime)
    except OSError:
        return 0.0
    finally:
        with contextlib.suppress(OSError):  # where nothing may be written there is no probe
            probe.unlink()


@contextlib.contextmanager
def shared(path: Path, *, exclusive: bool = False) -> Iterator[None]:
    """Hold a lock that many may share and one may have alone; a file system without locks lets everybody in."""
    descriptor, _ = _open(path)
    _held.add(descriptor)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield
    finally:
        _held.discard(descriptor)
        os.close(descriptor)


def _read(descriptor: int) -> Holder | None:
    try:
        data: dict[str, Any] = json.loads(os.pread(descriptor, 1 << 22, 0))
        owner = {name: value for name, value in data["owner"].items() if name in Owner.__dataclass_fields__}
        return Holder(Owner(**owner), data["what"], data["since"], data["uses"])
    except (ValueError, TypeError, KeyError, AttributeError, OSError):
        return None


def _started(pid: int) -> int:
    """When the process was started, in the kernel's ticks since boot; -1 if there is none, 0 if the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return -1 if fields[0] in "ZX" else int(fields[19])  # a zombie holds nothing any more
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return -1
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return -1
        except PermissionError:
            pass
        return 0
    except (OSError, ValueError, IndexError):
        return 0
