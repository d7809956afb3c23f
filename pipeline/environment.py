"""Is this machine fit for the work? Each check is a line with a state; nothing heavy is imported unless asked for."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.metadata
import os
import platform
import resource
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cache import mounts
from models.inference.runtimes.native import compiler
from pipeline import paths
from pipeline.device import default_device
from pipeline.text import size_text

#: Packages that every run needs.
PACKAGES = ("torch", "av", "h5py", "numpy", "Pillow")
LITTLE_SPACE = 10e9
FEW_FILES = 256
#: File systems on which other machines may write too.
SHARED = ("nfs", "nfs4", "cifs", "smb3", "lustre", "gpfs", "beegfs", "ceph", "fuse.sshfs", "9p")


@dataclass(frozen=True)
class Check:
    """One finding. ``state``: "ok", "note" (to know) or "bad" (the work would fail); ``hint``: what to type next."""

    what: str
    state: str
    text: str
    hint: str = ""


def environment(store: Path, data: Path | None, *, torch: bool = False) -> Iterator[Check]:
    """Every check of the machine; ``torch``: import it and use the device."""
    cores = len(os.sched_getaffinity(0))
    yield Check("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}, {cores} cores{_memory()}")
    yield from map(_package, PACKAGES)
    yield _device()
    yield _compiler()
    if torch:
        yield _torch()
    yield from _directory("store", store, write=True)
    if data is not None:
        yield from _directory("DATA_ROOT", data, write=False)
    yield _open_files()
    yield from _settings()


def _memory() -> str:
    with contextlib.suppress(OSError, ValueError):
        return f", {size_text(os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES'))} memory"
    return ""


def _package(name: str) -> Check:
    try:
        return Check(name, "ok", importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Check(name, "bad", "is not installed", "make setup")


def _device() -> Check:
    device = default_device()
    why = "KDPIPE_DEVICE" if os.environ.get("KDPIPE_DEVICE") else "an NVIDIA driver is at work" if device == "cuda" else "no NVIDIA driver"
    return Check("device", "ok", f"{device} ({why})", "kdpipe doctor --torch asks torch itself")


def _compiler() -> Check:
    command = compiler()
    if command:
        return Check("C compiler", "ok", shlex.join(command))
    text = "none: runtime=winograd, other 3x3 convolutions, cannot be used (docs/FEATURES.md)"
    return Check("C compiler", "note", text, "apt install gcc, or CC=/path/to/one")


def _torch() -> Check:
    import torch

    device = default_device()
    try:
        total = float(torch.ones(8, 8, device=device).sum())
    except (RuntimeError, AssertionError) as error:
        return Check("torch", "bad", f"cannot compute on {device}: {str(error).splitlines()[0]}", "KDPIPE_DEVICE=cpu, or mend the driver")
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else f"{torch.get_num_threads()} threads"
    return Check("torch", "ok" if total == 64 else "bad", f"computes on {device} ({name})")


def _directory(what: str, path: Path, *, write: bool) -> Iterator[Check]:
    place = path
    while not place.exists() and place != place.parent:
        place = place.parent
    absent = "" if place == path else ", not there yet"
    if absent and not write:
        yield Check(what, "bad", f"{path} is not there", "DATA_ROOT=/where/the/dataset/is, see docs/DATASETS.md")
        return
    free, kind = shutil.disk_usage(place).free, mounts.mount_of(place).kind
    state = "note" if write and free < LITTLE_SPACE else "ok"
    shared = ", shared between machines" if kind in SHARED else ""
    hint = "kdpipe gc shows what could go" if state == "note" else ""
    yield Check(what, state, f"{path}{absent}: {kind}{shared}, {size_text(free)} free", hint)
    if write:
        yield _writing(place)


def _writing(place: Path) -> Check:
    """Try in ``place`` what a publication needs: create, fsync, rename, flock; nothing is left behind."""
    step = "create a directory"
    try:
        with tempfile.TemporaryDirectory(dir=place, prefix=".kdpipe-doctor-") as made:
            first, second = Path(made, "a"), Path(made, "b")
            step = "write"
            descriptor = os.open(first, os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                os.write(descriptor, b"x")
                step = "fsync"
                os.fsync(descriptor)
                step = "flock"
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            finally:
                os.close(descriptor)
            step = "rename"
            first.rename(second)
    except OSError as error:
        return Check("writing", "bad", f"{place}: cannot {step}: {error.strerror}", "KDPIPE_STORE=/a/place/that/can/be/written")
    return Check("writing", "ok", "create, fsync, rename and flock work in the store's directory")


def _open_files() -> Check:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = soft != resource.RLIM_INFINITY and soft < FEW_FILES
    return Check("open files", "note" if few else "ok", f"{soft} at a time (up to {hard})", f"ulimit -n {FEW_FILES * 4}" if few else "")


def _settings() -> Iterator[Check]:
    for name in sorted(name for name in os.environ if name.startswith("KDPIPE_")):
        value = os.environ[name]
        inner = name in paths.INNER
        yield Check(name, "note" if inner else "ok", f"{value}: meant for tests" if inner else value or "(empty)")
    local = paths.local_config()
    if local.exists():
        yield Check("kdpipe.local.yaml", "ok", str(local))
