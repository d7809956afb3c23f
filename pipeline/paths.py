"""Where things are: the source tree, its configs, the store and the raw data."""

from __future__ import annotations

import os
from pathlib import Path

#: The checkout: configs and the code that fingerprints are taken of.
PROJECT = Path(__file__).resolve().parent.parent

CONFIGS = PROJECT / "configs"

#: What somebody has set for this checkout.
LOCAL = PROJECT / "kdpipe.local.yaml"


def file_at(path: str) -> Path | None:
    """The file that a configured path names (``~`` is somebody's home), or None if there is none, or can be none."""
    try:
        found = Path(path).expanduser()
        return found if found.is_file() else None
    except (OSError, RuntimeError, ValueError):  # too long a name, nobody's home
        return None


def store_root() -> Path:
    """``KDPIPE_STORE``, or ``artifacts/`` in the checkout."""
    return Path(os.environ.get("KDPIPE_STORE") or PROJECT / "artifacts").absolute()


def data_root() -> Path | None:
    """``DATA_ROOT``, or None if it is not set."""
    value = os.environ.get("DATA_ROOT")
    return Path(value).expanduser().absolute() if value else None


def upstream() -> str:
    """``KDPIPE_UPSTREAM``: a directory or URL with results that are taken rather than computed; empty if there is none."""
    return os.environ.get("KDPIPE_UPSTREAM", "")
