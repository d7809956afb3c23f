"""The configuration that the pipeline provides to the graphs of systems, reduced to its contract."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cache.option import settled


class Settings:
    """``student__epochs=7`` is the key ``student.epochs``; a key of ``student`` holds in ``student.kd`` too."""

    def __init__(self, **values: Any) -> None:
        self.values = {key.replace("__", "."): value for key, value in values.items()}
        self.seeds = [0, 1]

    def params(self, section: str, cls: type, *, idle: Iterable[str] = (), **fixed: Any) -> Any:
        found: dict[str, Any] = {}
        parts = section.split(".")
        for n in range(1, len(parts) + 1):
            prefix = ".".join(parts[:n]) + "."
            found |= {key.removeprefix(prefix): value for key, value in self.values.items() if key.startswith(prefix)}
        own = {key: value for key, value in found.items() if "." not in key and key not in idle}
        return settled(cls(**{**own, **fixed}), keep=tuple(fixed))
