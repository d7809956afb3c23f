"""Which file holds the weights that a stage names: shipped, the user's own, or imported ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cache.errors import ConfigError
from models.backbones import converted
from models.weights import Weights, check, entry_of


def locate(network: str, weights: str, file: Path | None, known: Sequence[Weights], section: str) -> Path:
    """The file of ``weights`` for ``network``, checked against the table's digest where it has one.

    ``known`` are the published weights of the network. ``weights`` may also be the name under which other weights were imported:
    ``file`` must be those then, and of this network. Raises ConfigError or DataError that say what to type in ``section``.
    """
    setting = f"--set {section}.weights_file=PATH"
    names = [entry.name.partition(".")[2] for entry in known]
    if weights == "file":
        if file is None:
            raise ConfigError(f"weights=file for {network} needs a path", hint=setting)
        return file
    if weights == "world" and "world" not in names:
        choice = f"--set {section}.weights={names[0] if names else 'file'}"
        hint = f"{choice} {setting} (or weights=random, flagged in every report)"
        raise ConfigError(f"no weights are shipped for {network}", hint=hint)
    full = f"{network}.{weights}"
    if weights not in names and file is not None and file.stem in (weights, full) and converted.origin_of(file) is not None:
        origin = converted.verify(file)
        if origin.backbone != network:
            raise ConfigError(f"the imported weights {weights} are of {origin.backbone}, not of {network}", hint="kdpipe weights ls")
        return file
    entry = entry_of(known, network, weights)
    if entry.shipped:
        return check(entry, entry.path)
    if file is None:
        raise ConfigError(
            f"the weights {weights} of {network} are not shipped, and kdpipe downloads nothing by itself",
            hint=f"fetch {entry.file} from {entry.source}, then: kdpipe weights import {entry.file}   (or {setting})",
        )
    return check(entry, file)
