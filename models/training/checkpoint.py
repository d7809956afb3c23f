"""The checkpoint of a running training: files in the stage's scratch directory, each named by the sha256 of its bytes.

``checkpoint.json`` names the file of the state: networks, optimizers, random numbers, where the training stands. The state names the file
of the weights that are kept so far, which is written only when they change. A file is whole before anything names it, and goes once
nothing does: a kill at any moment leaves the old checkpoint or the new one. Files go to disk as ``torch.save`` makes them, piece by
piece and without a copy in memory, and are read with ``weights_only=True``. If one is damaged, the checkpoint is dropped: training
then starts over, which ends in the same bits, only later.
"""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import torch

from cache import fs
from cache.digest import digest_file
from cache.errors import StoreError

NAME = "checkpoint.json"
SUFFIX = ".pt"
State = dict[str, torch.Tensor]


class Checkpoint:
    """The checkpoint in ``scratch``. One process writes it; others that share the training only load it."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.digest = ""  # of the state, "" if there is none
        self._kept = ""

    def save(self, state: dict[str, Any], kept: State | None = None) -> None:
        """Replace the checkpoint. ``kept`` are the weights to keep, if they changed since the last one."""
        if kept is not None:
            self._kept = self._write(kept)
        self.digest = self._write({**state, "kept": self._kept})
        fs.write_atomic(self.scratch / NAME, json.dumps({"state": self.digest}).encode())
        self._sweep()

    def load(self, *, sweep: bool = True) -> dict[str, Any] | None:
        """The state of the last checkpoint, with tensors on the CPU, or None if there is none that is whole.

        Sweeps away what kills left behind. Raises StoreError for a file that is whole and yet not ours.
        """
        self.digest, self._kept = self._named(), ""
        state = self._open(self.digest) if self._whole(self.digest) else None
        if state is not None and state["kept"] and not self._whole(state["kept"]):
            state = None
        self.digest, self._kept = ("", "") if state is None else (self.digest, state.pop("kept"))
        if sweep:
            self._sweep()
        return state

    def kept(self) -> State:
        """The weights that are kept so far, none if that is decided at the end. A call of its own, so that the state can go before."""
        return self._open(self._kept) if self._kept else {}

    def _path(self, digest: str) -> Path:
        return self.scratch / f"{digest}{SUFFIX}"

    def _named(self) -> str:
        try:
            return str(json.loads((self.scratch / NAME).read_bytes())["state"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return ""

    def _write(self, content: dict[str, Any]) -> str:
        temporary = self.scratch / f".{os.getpid()}.tmp"
        try:
            digest = fs.write_stream(temporary, lambda stream: torch.save(content, stream))
            fs.rename(temporary, self._path(digest))
            fs.fsync_directory(self.scratch)
        finally:
            temporary.unlink(missing_ok=True)
        return digest

    def _whole(self, digest: str) -> bool:
        path = self._path(digest)
        if not digest.isalnum() or not path.is_file():
            return False
        return digest_file(path) == digest

    def _open(self, digest: str) -> dict[str, Any]:
        path = self._path(digest)
        try:
            content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
            raise StoreError(
                f"{path} is no checkpoint of ours, and is not opened", hint="remove it: the training then starts over"
            ) from error
        return content

    def _sweep(self) -> None:
        """Remove what the checkpoint does not name."""
        named = {self._path(digest).name for digest in (self.digest, self._kept)} | ({NAME} if self.digest else set())
        for path in self.scratch.iterdir():
            if path.name not in named and (path.name == NAME or path.name.endswith((SUFFIX, ".tmp"))):
                path.unlink(missing_ok=True)
