"""Which machine this is, and which start of it: what processes and memories must not mix up where several share a store."""

from __future__ import annotations

import functools
import hashlib
import os
import socket
from pathlib import Path

#: The pid namespace of a system that runs in no container; the kernel gives it this number.
INITIAL = "4026531836"
#: What :func:`boot_id` is where the system does not say.
UNKNOWN = "unknown"


def host() -> str:
    """This machine's name, fit for a file name."""
    return "".join(c if c.isalnum() or c in ".-" else "-" for c in socket.gethostname())[:64]


def boot_id() -> str:
    """This start of the kernel, which all containers on the machine share; :data:`UNKNOWN` where the system does not say."""
    return _text("/proc/sys/kernel/random/boot_id").replace("-", "")[:16] or UNKNOWN


def tells_starts(boot: str) -> bool:
    """Whether two processes that name this start of the kernel, and one host name, run under one kernel.

    A system that is no Linux says nothing and runs no containers; a Linux that says nothing is a sandbox, and there may be others.
    """
    return boot != UNKNOWN or os.uname().sysname != "Linux"


def pid_space() -> str:
    """The namespace in which this process's number has its meaning; empty where the system does not say."""
    try:
        return str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        return ""


@functools.cache
def machine() -> str:
    """This machine through all its restarts; where nothing tells (most containers), this start of it."""
    installed = _text("/etc/machine-id")
    named = f"{installed} {host()}" if len(installed) == 32 and pid_space() == INITIAL else f"started {boot_id()}"
    return hashlib.sha256(named.encode()).hexdigest()[:16]


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
