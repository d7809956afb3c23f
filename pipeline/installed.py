"""Which versions of libraries are installed; nothing of theirs is imported."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterable
from pathlib import Path

#: Versions that are recorded with every result (not keyed: they name the environment for people).
RECORDED = ("torch", "torchvision", "numpy", "scipy", "av", "h5py", "pillow", "nltk")


def installed(libraries: Iterable[str]) -> dict[str, str]:
    """Distribution -> its version, ``""`` if it is not installed."""
    return {name: _version(name) for name in libraries}


def own_version() -> str:
    """The version of kdpipe: of the checkout that this code lies in, or of what pip installed; "unknown" where neither says it."""
    setup = Path(__file__).resolve().parent.parent / "setup.cfg"
    told = re.search(r"^version = (\S+)$", setup.read_text(encoding="utf-8"), re.M) if setup.is_file() else None
    return told[1] if told else _version("kdpipe") or "unknown"


def versions() -> dict[str, str]:
    """What is recorded: the version of Python, and of those of :data:`RECORDED` that are installed."""
    return {"python": sys.version.split()[0], **{name: version for name, version in installed(RECORDED).items() if version}}


@functools.cache
def _version(library: str) -> str:
    """Told by the name of its metadata: loading importlib.metadata takes 20 to 40 ms, and a light verb has 300."""
    for place in map(Path, sys.path):
        for path in place.glob("*.*-info"):
            name, _, version = path.stem.partition("-")
            if path.suffix in (".dist-info", ".egg-info") and version and _plain(name) == _plain(library):
                return version.partition("-")[0]
    return ""


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
