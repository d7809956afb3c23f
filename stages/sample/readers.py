"""Who reads a file: name -> module and function. Only the module that is used joins the key, and is imported.

Frames are read by what ``sample.decode`` names, sound by ``audio``.
"""

from __future__ import annotations

import importlib
from typing import Any

READERS = {
    "pyav": "media.decode:read_chosen",
    "torchcodec": "media.seeking:read_chosen",
    "torchcodec-cuda": "media.seeking:read_chosen_cuda",
    "audio": "media.audio:read_sound",
}


def module_of(name: str) -> str:
    """The module of a reader."""
    return READERS[name].partition(":")[0]


def reader(name: str) -> Any:
    """The function ``(path, choose, keep) -> (Summary, {number: kept})``; of sound ``(path, rate, seconds, resampler) -> Recording``."""
    return getattr(importlib.import_module(module_of(name)), READERS[name].partition(":")[2])


def check(name: str, resampler: str = "") -> None:
    """Raise ConfigError if a reader, or of ``audio`` what changes the rate, cannot work on this machine."""
    if name == "audio":
        importlib.import_module(module_of(name)).require(resampler)
    if name.startswith("torchcodec"):
        importlib.import_module(module_of(name)).require("cuda" if name.endswith("cuda") else "cpu")
