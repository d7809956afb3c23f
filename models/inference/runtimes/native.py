"""C compiled for this very processor, in half a second and without a trace, if there is a compiler."""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

#: ``a * b + c`` is one operation also where the standard would round twice
FLAGS = ("-std=gnu11", "-O3", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC")
SECONDS = 60


def compiler() -> list[str]:
    """The C compiler as a command line: ``$CC``, else the system's; empty if there is none, or if ``$CC`` cannot be read."""
    try:
        named = shlex.split(os.environ.get("CC", "cc"))
    except ValueError:
        return []
    return named if named and shutil.which(named[0]) else []


def compiler_version() -> str:
    """How the C compiler names itself; empty if there is none."""
    command = compiler()
    told = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=SECONDS, check=False).stdout if command else ""
    return told.partition("\n")[0]


def load(source: Path) -> ctypes.CDLL:
    """The functions of a C file. Nothing of it stays on disk. Raises OSError that says why it cannot be compiled or loaded."""
    command = compiler()
    if not command:
        raise OSError("no C compiler")
    try:
        with tempfile.TemporaryDirectory(prefix="kdpipe-native-") as directory:
            library = Path(directory, f"{source.stem}.so")
            made = [*command, *FLAGS, "-o", str(library), str(source)]
            subprocess.run(made, check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS)
            try:
                return ctypes.CDLL(str(library))
            except OSError:  # temporary files may lie where nothing can be executed (noexec): memory can
                return _from_memory(library)
    except subprocess.SubprocessError as error:
        said = str(getattr(error, "stderr", None) or b"", "utf-8", "replace").strip().splitlines()
        raise OSError(f"{shlex.join(command)} cannot compile {source.name}{': ' + said[-1] if said else ''}") from error


def _from_memory(library: Path) -> ctypes.CDLL:
    """Load a library from a file that has no place on any disk; its descriptor stays open, so that no other gets the same name."""
    descriptor = os.memfd_create(library.name, os.MFD_CLOEXEC)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(library.read_bytes())
    return ctypes.CDLL(f"/proc/self/fd/{descriptor}")
