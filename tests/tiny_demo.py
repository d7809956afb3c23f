"""kdpipe as the tiny demo of a system calls it: one system, one dataset, the same settings for every verb."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from tests import warm
from tests.command import PROJECT, variables


def kdpipe_for(system: str, dataset: str, *settings: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """``kdpipe(store, verb, *words)`` with ``--set`` for each of ``settings``."""
    about = ["--system", system, "--dataset", dataset, *(word for setting in settings for word in ("--set", setting))]

    def kdpipe(store: Path, verb: str, *words: str) -> subprocess.CompletedProcess[str]:
        return warm.run("pipeline", verb, *about, *words, cwd=PROJECT, env=variables(store))

    return kdpipe
