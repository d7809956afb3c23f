"""Files of the few-frames system: published checkpoints."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.tensorflow_checkpoint import read_checkpoint
from systems.fewerframes.published import state_name
from tests.parity.case import Case, Mismatch, handles
from tests.parity.fill import fill


@handles("tf_checkpoint*")
def checkpoint(case: Case) -> dict[str, Any]:
    """Every variable of both files: names and shapes as listed, values as filled, slots zero, powers and step as the text says."""
    seed = int(case.meta.get("seed") or 0)
    for who, listed in case.meta["variables"].items():
        found = read_checkpoint(case.directory / case.meta["case"] / who)
        shapes = {name: list(value.shape) for name, value in found.items()}
        if shapes != {name: list(shape) for name, shape in listed.items()}:
            raise Mismatch(f"{who}: other variables or shapes than listed: {sorted(shapes.keys() ^ listed.keys())}")
        for variable, value in found.items():
            want = expected(who, variable, value, seed)
            if want is not None and not np.array_equal(value, want):
                raise Mismatch(f"{variable}: {value.ravel()[:3]}, expected {np.ravel(want)[:3]}")
    return {}


def expected(who: str, variable: str, value: np.ndarray, seed: int) -> Any:
    """What a variable holds; None for the step, which only the file name says."""
    leaf = variable.rsplit("/", 1)[-1]
    powers = {"beta1_power": np.float32(0.9), "beta2_power": np.float32(0.999)}
    if leaf in powers:
        return powers[leaf]
    if leaf == "global_step":
        return None
    name = state_name(variable)
    return np.zeros_like(value) if name is None else fill(f"{who}.{name}", value.shape, seed)
