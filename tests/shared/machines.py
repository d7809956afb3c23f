"""Two machines on one disk, made of namespaces: each has its own name, start of the kernel, process numbers and mount."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.shared.client import Manners

PROJECT = Path(__file__).parents[2]

#: Run in new namespaces: $1 is the name, $2 a file that says which start of the kernel this is (empty: this one).
BECOME = 'hostname "$1" && if [ -n "$2" ]; then mount --bind "$2" /proc/sys/kernel/random/boot_id; fi && shift 2 && exec "$@"'
NAMESPACES = ("unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")


def why_not() -> str:
    """Why there can be no machine of one's own here; empty if there can."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0 or not shutil.which("unshare"):
        return "only root on Linux, with unshare, can make namespaces"
    tried = subprocess.run([*NAMESPACES, "sh", "-c", BECOME, "sh", "probe", "", "true"], capture_output=True, text=True)
    return f"no namespaces here: {tried.stderr.strip()}" if tried.returncode else ""


def why_no_disk() -> str:
    """Why there can be no file system of our own here; empty if there can."""
    if reason := why_not():
        return reason
    if not os.access("/dev/fuse", os.W_OK):
        return "there is no /dev/fuse that may be used"
    with tempfile.TemporaryDirectory() as place:  # some sandboxes have the device and forbid to mount
        (Path(place) / "disk").mkdir()
        (Path(place) / "seen").mkdir()
        command = [sys.executable, "-m", "tests.shared.serve", f"{place}/disk", f"{place}/seen", json.dumps(asdict(Manners()))]
        tried = subprocess.run(command, cwd=PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    return "" if tried.stdout == "mounted\n" else f"no file system can be mounted here: {tried.stderr.strip()[-200:]}"


@dataclass(frozen=True)
class Machine:
    """A machine, or a container if it has no ``boot`` of its own; ``disk`` is the shared disk as it sees it."""

    name: str
    disk: Path
    boot: Path | None = None

    def start(self, *command: object, **environment: str) -> subprocess.Popen[str]:
        """Start a command there; killing it kills everything in it."""
        return subprocess.Popen(
            [*NAMESPACES, "sh", "-c", BECOME, "sh", self.name, str(self.boot or ""), *map(str, command)],
            env={**os.environ, "PYTHONPATH": str(PROJECT), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: object, code: int = 0, **environment: str) -> str:
        """Run a command there; returns what it printed."""
        process = self.start(*command, **environment)
        out, errors = process.communicate(timeout=300)
        assert process.returncode == code, f"{command} on {self.name} ended with {process.returncode}:\n{out}{errors}"
        return out

    def python(self, script: str, *arguments: object) -> str:
        """Run a few lines of Python there."""
        return self.run(sys.executable, "-c", script, *arguments)


@contextlib.contextmanager
def machines(place: Path, manners: Manners, names: tuple[str, ...] = ("first", "second")) -> Iterator[list[Machine]]:
    """Machines that mount one directory, ``place/disk``, as ``manners`` say."""
    (place / "disk").mkdir()
    made = []
    for name in names:
        (place / name).mkdir()
        (place / f"{name}.boot").write_text(f"{uuid.uuid4()}\n")
        made.append(Machine(name, place / name, place / f"{name}.boot"))
    command = [sys.executable, "-m", "tests.shared.serve", str(place / "disk"), *(str(one.disk) for one in made)]
    server = subprocess.Popen([*command, json.dumps(asdict(manners))], cwd=PROJECT, stdin=-1, stdout=-1, text=True)
    assert server.stdin is not None and server.stdout is not None
    try:
        if server.stdout.readline() != "mounted\n":
            raise RuntimeError("the disk could not be mounted")
        yield made
    finally:
        server.stdin.close()
        server.wait(30)
