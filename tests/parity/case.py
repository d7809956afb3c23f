"""A parity case, and the table of handlers that know how to run one.

A case is ``<name>.json`` (what, configuration, seed, names and shapes of the state) and mostly a ``<name>.npz`` beside
it with ``in.<name>`` and ``out.<name>`` arrays, or arrays without prefix, of which the json lists the outputs. A handler
computes the outputs again with our code::

    @handles("loss_common_dependence*")
    def common_dependence(case: Case) -> dict[str, np.ndarray]:
        return {"common_loss": ..., ...}

It builds everything from the configuration, the state map and the inputs, never from the expected numbers, so that
cases with other seeds and sizes run as well.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.parity.fill import fill


class Mismatch(AssertionError):
    """A difference that a handler found by itself (``where`` is like ``out.vocab[3]``)."""


@dataclass(frozen=True)
class Allowance:
    """Allowed error of one output: ``relative`` x ``scale`` (0: the output's largest absolute entry) + ``absolute``."""

    relative: float = 0.0
    absolute: float = 0.0
    scale: float = 0.0


@dataclass
class Case:
    """One case: its name, the json, the arrays of the npz (keys ``in.*``, ``out.*``) and where it lies."""

    name: str
    meta: dict[str, Any]
    arrays: dict[str, np.ndarray]
    directory: Path
    allowances: list[tuple[str, Allowance]] = field(default_factory=list)

    @property
    def config(self) -> dict[str, Any]:
        return self.meta.get("config") or {}

    @property
    def inputs(self) -> dict[str, np.ndarray]:
        """Input arrays by name, without the ``in.`` prefix."""
        return {key[3:]: value for key, value in self.arrays.items() if key.startswith("in.")}

    @property
    def outputs(self) -> dict[str, np.ndarray]:
        """Expected arrays by name, without the ``out.`` prefix; for the comparison, not for building anything."""
        return {key[4:]: value for key, value in self.arrays.items() if key.startswith("out.")}

    def compares(self, name: str) -> bool:
        """Whether an output of this name is compared: of large networks a case has a few entries only, so the others need no copy."""
        return f"out.{name}" in self.arrays

    def allow(self, pattern: str, *, relative: float = 0.0, absolute: float = 0.0, scale: float = 0.0) -> None:
        """Set the tolerance of the outputs whose name matches ``pattern``; the last matching call wins."""
        self.allowances.append((pattern, Allowance(relative, absolute, scale)))

    def fill(self, module: Any, state: Mapping[str, Any] | None = None, seed: int | None = None) -> Any:
        """Fill a torch module from the case's ``state`` map and seed, strictly, and return it.

        Raises Mismatch where our names or shapes differ from the original's. Buffers that the json lists under
        ``fixed_buffers`` keep the value that the constructor gave them.
        """
        shapes = dict(self.meta.get("state") or {}) if state is None else dict(state)
        seed = int(self.meta.get("seed") or 0) if seed is None else seed
        return load_filled(module, shapes, seed, fixed=self.meta.get("fixed_buffers") or ())


def load_filled(module: Any, shapes: Mapping[str, Any], seed: int, fixed: Any = ()) -> Any:
    """Load the filled state of ``shapes`` into ``module``; names and shapes must agree exactly."""
    import torch

    ours = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    theirs = {name: tuple(int(n) for n in shape) for name, shape in shapes.items()}
    for name in sorted(ours.keys() | theirs.keys()):
        if name in fixed:
            continue
        if ours.get(name) != theirs.get(name):
            raise Mismatch(f"state {name}: ours {ours.get(name, 'missing')}, the case's {theirs.get(name, 'missing')}")
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if name not in fixed:
                value.copy_(torch.from_numpy(fill(name, theirs[name], seed)))
    return module


Handler = Callable[[Case], Mapping[str, Any]]
_HANDLERS: dict[str, Handler] = {}


def handles(*patterns: str) -> Callable[[Handler], Handler]:
    """Register a handler for the cases whose name matches one of ``patterns`` (shell wildcards)."""

    def register(handler: Handler) -> Handler:
        for pattern in patterns:
            other = _HANDLERS.get(pattern)
            if other is not None and (other.__module__, other.__name__) != (handler.__module__, handler.__name__):
                raise ValueError(f"pattern {pattern!r} is handled by {other.__module__}.{other.__name__} already")
            _HANDLERS[pattern] = handler
        return handler

    return register


def handler_of(name: str) -> Handler | None:
    """Return the handler of a case; of several matching patterns the longest wins."""
    matching = [pattern for pattern in _HANDLERS if fnmatch.fnmatchcase(name, pattern)]
    return _HANDLERS[max(matching, key=lambda pattern: (len(pattern.rstrip("*")), pattern))] if matching else None


def load_case(path: Path) -> Case | None:
    """Read ``<case>.json`` and its npz; None if the file is not a case (it has no ``case`` key)."""
    meta = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(meta, dict) or "case" not in meta:
        return None
    arrays: dict[str, np.ndarray] = {}
    npz = path.with_suffix(".npz")
    if npz.exists():
        with np.load(npz, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
    return Case(str(meta["case"]), meta, prefixed(arrays, meta.get("outputs") or ()), path.parent)


def prefixed(arrays: dict[str, np.ndarray], outputs: Any) -> dict[str, np.ndarray]:
    """Arrays under ``in.*`` and ``out.*``; in archives without these prefixes the json's ``outputs`` says which are expected."""
    if any(key.startswith(("in.", "out.")) for key in arrays):
        return arrays
    return {f"{'out' if key in outputs else 'in'}.{key}": value for key, value in arrays.items()}
