"""Where things are: the code, its configs, the store and the raw data."""

from __future__ import annotations

import os
from pathlib import Path

from cache.errors import StoreError

#: The directory that holds the code that fingerprints are taken of, and the configs: a checkout, or where pip installed them.
PROJECT = Path(__file__).resolve().parent.parent

CONFIGS = PROJECT / "configs"

#: Environment variables that mean something to kdpipe.
SETTINGS = (
    "KDPIPE_STORE", "KDPIPE_UPSTREAM", "KDPIPE_DEVICE", "KDPIPE_DATASET", "KDPIPE_SYSTEM", "KDPIPE_VERIFY", "KDPIPE_TRUST",
    "KDPIPE_CHECKOUT",
)  # fmt: skip
#: Those of the tests.
INNER = ("KDPIPE_FAULT", "KDPIPE_FAULT_LOG", "KDPIPE_AUDIT", "KDPIPE_GOLDEN")


def checkout_of(place: Path) -> Path | None:
    """The checkout of kdpipe that ``place`` lies in, or None."""
    for folder in (place, *place.parents):
        if (folder / "pipeline" / "cli" / "__init__.py").is_file() and (folder / "setup.cfg").is_file():
            return folder.resolve()
    return None


def workplace() -> Path:
    """The directory of ``kdpipe.local.yaml`` and, by default, of the store: the checkout; the current one if pip installed kdpipe."""
    installed = any(PROJECT.glob("kdpipe-*.dist-info"))
    return Path.cwd() if installed else PROJECT


def local_config() -> Path:
    """The file of the user's own defaults; it need not be there."""
    return workplace() / "kdpipe.local.yaml"


def file_at(path: str) -> Path | None:
    """The file that a configured path names (``~`` is somebody's home), or None if there is none, or can be none."""
    try:
        found = Path(path).expanduser()
        return found if found.is_file() else None
    except (OSError, RuntimeError, ValueError):  # too long a name, nobody's home
        return None


def store_root() -> Path:
    """``KDPIPE_STORE``, or ``artifacts/`` in the workplace. Raises StoreError if it cannot be a directory."""
    root = expanded(os.environ.get("KDPIPE_STORE") or workplace() / "artifacts").absolute()
    place = root
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    hint = "KDPIPE_STORE names a directory; it is made if it is not there"
    if place.is_symlink() and not place.exists():
        raise StoreError(f"the store {root}: {place} is a link to {place.readlink()}, which is not there (not mounted?)", hint=hint)
    if place.exists() and not place.is_dir():
        raise StoreError(f"the store {root}: {place} is not a directory", hint=hint)
    return root


def data_root() -> Path | None:
    """``DATA_ROOT``, or None if it is not set."""
    value = os.environ.get("DATA_ROOT")
    return expanded(value).absolute() if value else None


def upstream() -> str:
    """``KDPIPE_UPSTREAM``: a directory or URL with results that are taken rather than computed; empty if there is none."""
    return os.environ.get("KDPIPE_UPSTREAM", "")


def expanded(path: str | Path) -> Path:
    """``path`` with a leading ``~`` or ``~user`` as that home directory; it stays as it is where there is none."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - the method raises where there is none
