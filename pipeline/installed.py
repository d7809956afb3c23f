"""Which versions of libraries are installed; nothing of theirs is imported."""

from __future__ import annotations

import sys
from collections.abc import Iterable

#: Versions that are recorded with every result (not keyed: they name the environment for people).
RECORDED = ("torch", "torchvision", "numpy", "scipy", "av", "h5py", "pillow", "nltk")


def installed(libraries: Iterable[str]) -> dict[str, str]:
    """Distribution -> its version, ``""`` if it is not installed."""
    found = dict.fromkeys(libraries, "")
    if found:
        import importlib.metadata  # only where somebody asks: it is a tenth of what a light verb takes to start

        for name in found:
            try:
                found[name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                continue
    return found


def versions() -> dict[str, str]:
    """What is recorded: the version of Python, and of those of :data:`RECORDED` that are installed."""
    return {"python": sys.version.split()[0], **{name: version for name, version in installed(RECORDED).items() if version}}
