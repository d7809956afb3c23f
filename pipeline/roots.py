"""Where each dataset lies on this machine, as ``kdpipe.local.yaml`` says it: ``data_root.msvd: /data/msvd``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cache.errors import ConfigError, nearest
from pipeline import paths
from pipeline.checked import Value, shown

SECTION = "data_root"


def take_roots(values: dict[str, Value], start: Path, datasets: Iterable[str]) -> dict[str, Path]:
    """Dataset -> its data root; the keys are taken out of ``values``. A path that is not absolute begins at ``start``.

    Raises ConfigError for a dataset that there is not, or a path that is no text.
    """
    known = list(datasets)
    found: dict[str, Path] = {}
    for key in [key for key in values if key.partition(".")[0] == SECTION]:
        value, dataset = values.pop(key), key.partition(".")[2]
        if dataset not in known:
            wrong = f"there is no dataset '{dataset}'" if dataset else "it does not say of which dataset"
            hint = nearest(dataset, known) if dataset else f"{SECTION}.NAME: PATH, a line for each dataset; {nearest('', known)}"
            raise ConfigError(f"{value.origin}: {key}: {wrong}", hint=hint)
        if not isinstance(value.value, str) or not value.value:
            raise ConfigError(f"{value.origin}: {key} = {shown(value.value)} must be a path")
        found[dataset] = start / paths.expanded(value.value)
    return found
