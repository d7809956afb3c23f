"""``kdpipe`` as a person types it, in a store of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests import warm

PROJECT = warm.PROJECT


#: What a make, or a shell, that runs the tests may have said to them, and not to the commands that they try.
SAID = frozenset({"DATA_ROOT", "DATASET", "SYSTEM", "ARGS", "JOBS", "VENV", "PYTHON", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"})


def plain_environment() -> dict[str, str]:
    """The environment without what speaks of kdpipe or its make."""
    return {name: value for name, value in os.environ.items() if not name.startswith("KDPIPE_") and name not in SAID}


def variables(store: Path, **more: str) -> dict[str, str]:
    """The environment of a command: nothing of what the tests were started with speaks of kdpipe."""
    return {**plain_environment(), "KDPIPE_STORE": str(store), "KDPIPE_DEVICE": "cpu", **more}


def kdpipe(store: Path, *words: str, code: int = 0, cwd: Path = PROJECT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command, and see to it that it ends with ``code``."""
    done = warm.run("pipeline", *words, cwd=cwd, env=variables(store, **environment))
    assert done.returncode == code, f"kdpipe {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done
