"""Locks that save work. Correctness never needs them: two runs of one key publish the same object.

A lock is a file that its holder locks in the kernel (released when the holder dies) and in which it says who it is: pid, start of
the process, boot id, host, and a heartbeat (the file's time stamp). On one machine the kernel decides. Where locks do not reach
other machines (some network file systems), a holder elsewhere is believed as long as its heart beats.
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

from cache import faults, fs
from cache.machine import boot_id, host

#: Seconds between two heartbeats, and after how many without one a holder on another machine counts as dead.
BEAT = 10.0
DEAD_AFTER = 120.0
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
    """A process, in a way that no later process can be mistaken for it."""

    host: str
    boot: str
    pid: int
    started: int

    @classmethod
    def me(cls) -> Owner:
        """This process."""
        return cls(host(), boot_id(), os.getpid(), _started(os.getpid()))

    @property
    def token(self) -> str:
        """A file name that says who made the file: see :meth:`parse`."""
        return f"{self.host}_{self.boot}_{self.pid}_{self.started}_{uuid.uuid4().hex[:12]}"

    @classmethod
    def parse(cls, name: str) -> Owner | None:
        """The owner that a :attr:`token` names, or None."""
        parts = name.split("_")
        if len(parts) < 5 or not (parts[2].isdigit() and parts[3].isdigit()):
            return None
        return cls(parts[0], parts[1], int(parts[2]), int(parts[3]))

    @property
    def here(self) -> bool:
        """Whether it runs, or ran, on this machine."""
        return self.host == host()

    @property
    def dead(self) -> bool:
        """Whether it certainly lives no more; a process on another machine may always be alive."""
        if not self.here:
            return False
        return self.boot != boot_id() or _started(self.pid) != self.started


@dataclass(frozen=True)
class Holder:
    """Who holds a lock. ``uses`` names what it reads and must find: gc leaves that alone (see :mod:`cache.gc`)."""

    owner: Owner
    what: str = ""
    since: float = 0.0
    uses: dict[str, list[str]] = field(default_factory=dict)

    def __str__(self) -> str:
        when = time.strftime("%H:%M:%S", time.localtime(self.since))
        where = "" if self.owner.here else f" on {self.owner.host}"
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
        threading.Thread(target=self._beat, daemon=True, name="heartbeat").start()

    def _beat(self) -> None:
        while not self._stop.wait(BEAT):
            try:
                os.utime(self._descriptor)
            except OSError:
                return

    def release(self) -> None:
        """Remove the lock file, then let go."""
        self._stop.set()
        try:
            faults.step("unlock", self.path)
            self.path.unlink(missing_ok=True)
        finally:
            _held.discard(self._descriptor)
            os.close(self._descriptor)


def acquire(path: Path, *, wait: bool = True, waiting: Callable[[Holder | None], None] | None = None) -> Lock | None:
    """Take the lock at ``path`` (its directory must exist); None if somebody holds it and ``wait`` is False.

    ``waiting(holder)`` is called once if there is somebody to wait for.
    """
    pause = 0.02
    told = False
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, fs.SHARED)
        holder, free = _look(path, descriptor)
        if free:
            return Lock(path, descriptor)
        os.close(descriptor)
        if not wait:
            return None
        if waiting is not None and not told:
            waiting(holder)
            told = True
        time.sleep(pause)
        pause = min(pause * 1.5, POLL)


def _look(path: Path, descriptor: int) -> tuple[Holder | None, bool]:
    """(who holds it, whether we have it now)."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(descriptor), False
    except OSError:
        pass  # a file system without locks: the heartbeat decides
    holder = _read(descriptor)
    if not _is_still(path, descriptor):
        return holder, False  # its last holder removed it: try again with the new file
    if holder is not None and not holder.owner.here and age(path) < DEAD_AFTER:
        return holder, False
    return holder, True


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


def holder_of(path: Path) -> Holder | None:
    """Who holds the lock at ``path`` right now, or None. Changes nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        holder = _read(descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return holder or Holder(Owner("", "", 0, 0))
        except OSError:
            return holder if holder is not None and not holder.owner.dead and age(path) < DEAD_AFTER else None
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        return holder if holder is not None and not holder.owner.here and age(path) < DEAD_AFTER else None
    finally:
        os.close(descriptor)


def age(path: Path) -> float:
    """Seconds since the last heartbeat by the file system's own clock, so that clocks of machines need not agree."""
    probe = path.parent / f".clock-{uuid.uuid4().hex[:12]}"
    try:
        probe.touch()
        now = probe.stat().st_mtime
        return now - path.stat().st_mtime
    except OSError:
        return 0.0
    finally:
        with contextlib.suppress(OSError):  # where nothing may be written there is no probe
            probe.unlink()


@contextlib.contextmanager
def shared(path: Path, *, exclusive: bool = False) -> Iterator[None]:
    """Hold a lock that many may share and one may have alone; a file system without locks lets everybody in."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, fs.SHARED)
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
        return Holder(Owner(**data["owner"]), data["what"], data["since"], data["uses"])
    except (ValueError, TypeError, KeyError, OSError):
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
