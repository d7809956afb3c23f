"""Every write to the store goes through here: one place to make it durable, and to break it in tests."""

from __future__ import annotations

import os
import uuid
from pathlib import Path


def fsync_directory(path: Path) -> None:
    """Make the names in ``path`` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path) -> None:
    """Create ``path`` and its parents, durably."""
    missing = []
    probe = path
    while not probe.exists():
        missing.append(probe)
        probe = probe.parent
    for directory in reversed(missing):
        directory.mkdir(exist_ok=True)
        fsync_directory(directory.parent)


def fsync_file(path: Path) -> None:
    """Make the bytes of ``path`` durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def append(path: Path, data: bytes) -> None:
    """Append ``data`` to ``path`` (created if missing) and make it durable."""
    created = not path.exists()
    with path.open("ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if created:
        fsync_directory(path.parent)


def write_atomic(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data``: readers see the old bytes or the new, never a part."""
    make_directory(path.parent)
    temporary = path.parent / f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp"
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_directory(path.parent)


def publish_directory(temporary: Path, final: Path) -> bool:
    """Rename a finished directory to its final name; False if another writer was first (its content is the same)."""
    make_directory(final.parent)
    try:
        temporary.rename(final)
    except OSError:
        if final.is_dir():
            return False
        raise
    fsync_directory(final.parent)
    return True
