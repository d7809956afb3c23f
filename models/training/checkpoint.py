"""The checkpoint of a running training: one file in the stage's scratch directory, replaced whole.

The file is the sha256 of the body, then the body as ``torch.save`` writes it. It is read with ``weights_only=True``. A file
that does not pass its checksum is dropped: training then starts over, which ends in the same bits, only later.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

import torch

from cache import fs
from cache.errors import StoreError

NAME = "checkpoint.pt"
DIGEST = 32


def save(scratch: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint in ``scratch``; a kill at any moment leaves the old one or the new one."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    body = buffer.getvalue()
    fs.write_atomic(scratch / NAME, hashlib.sha256(body).digest() + body)


def load(scratch: Path) -> dict[str, Any] | None:
    """The last checkpoint, with tensors on the CPU, or None if there is none that is whole. Sweeps what kills left behind."""
    for torn in scratch.glob(f".{NAME}.*.tmp"):
        torn.unlink(missing_ok=True)
    path = scratch / NAME
    if not path.exists():
        return None
    data = path.read_bytes()
    digest, body = data[:DIGEST], memoryview(data)[DIGEST:]
    if hashlib.sha256(body).digest() != digest:
        path.unlink()
        return None
    try:
        state: dict[str, Any] = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise StoreError(f"{path} is no checkpoint of ours, and is not opened", hint="remove it: the training then starts over") from error
    return state
