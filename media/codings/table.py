"""The codings by kind and name. Importing this module is light: a coding's module is imported when it is used.

The module of a coding has two functions: ``coder(options)`` and ``decode(options, payload)``; ``options`` holds all that
:data:`media.codings.OPTIONS` lists for it.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cache.errors import ConfigError, nearest
from media.codings import CHOICES, DEFAULTS, OPTIONS

if TYPE_CHECKING:
    from media.codings.derived import Coder, Derived

#: (kind, coding) -> its module below ``media.codings``
CODINGS = {
    ("flow", "wheel"): "flow_wheel",
    ("flow", "xy"): "flow_xy",
    ("flow", "float"): "floats",
    ("depth", "jet"): "depth_jet",
    ("depth", "grey16"): "depth_grey16",
    ("depth", "float"): "floats",
    ("skeleton", "black"): "skeleton_black",
    ("skeleton", "overlay"): "skeleton_overlay",
    ("skeleton", "keypoints"): "skeleton_keypoints",
}


def module_of(kind: str, name: str) -> str:
    """The module that :func:`coder` imports: a stage names it for its fingerprint, so that an edit of another coding changes nothing.

    Raises ConfigError naming the nearest coding of ``kind``.
    """
    if (kind, name) not in CODINGS:
        known = [coding for other, coding in CODINGS if other == kind]
        raise ConfigError(f"unknown coding {name!r} of {kind}", hint=nearest(name, known))
    return f"media.codings.{CODINGS[kind, name]}"


def options_of(kind: str, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``given`` that count for a coding, and the defaults of the others. Raises ConfigError for an impossible value."""
    module_of(kind, name)
    options = {option: given.get(option, DEFAULTS[option]) for option in OPTIONS[kind, name]}
    for option, value in options.items():
        if option in CHOICES and value not in CHOICES[option]:
            raise ConfigError(f"{option} cannot be {value!r}", hint=nearest(str(value), CHOICES[option]))
        if option in ("bound", "factor") and not 0 < value < float("inf"):
            raise ConfigError(f"{option} cannot be {value!r}", hint="a positive number")
    return options


def coder(kind: str, name: str, options: Mapping[str, Any]) -> Coder:
    """A coder for one video; of ``options`` it takes what counts for it, and defaults for what is not given."""
    made: Coder = importlib.import_module(module_of(kind, name)).coder(options_of(kind, name, options))
    return made


def decode(kind: str, name: str, options: Mapping[str, Any], payload: bytes) -> Derived:
    """Open a payload of :func:`coder`, with the same options. Raises DataError if it is none."""
    found: Derived = importlib.import_module(module_of(kind, name)).decode(options_of(kind, name, options), payload)
    return found
