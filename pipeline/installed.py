"""Versions of installed packages; nothing of theirs is imported."""

from __future__ import annotations

import functools
import re
import sys
from pathlib import Path

#: Versions that are recorded with every result (not keyed: they name the environment for people).
RECORDED = ("torch", "torchvision", "numpy", "scipy", "av", "h5py", "pillow", "nltk")


@functools.cache
def version_of(package: str) -> str:
    """The version of a package, "" if it is not installed. The name of its metadata tells: loading importlib.metadata takes 20 to 40 ms,
    and a light verb has 300."""
    wanted = _plain(package)
    for place in map(Path, sys.path):
        for path in place.glob("*.*-info"):
            known, _, version = path.stem.partition("-")
            if path.suffix in (".dist-info", ".egg-info") and version and _plain(known) == wanted:
                return version.partition("-")[0]
    return ""


def keyed_version(package: str) -> str:
    """The version as it stands in a key: of builds for several devices (2.15.0+cu128) one, since the device is keyed by itself."""
    return version_of(package).partition("+")[0]


def versions() -> dict[str, str]:
    """Versions that are recorded with a result."""
    return {"python": sys.version.split()[0], **{name: version for name in RECORDED if (version := version_of(name))}}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
