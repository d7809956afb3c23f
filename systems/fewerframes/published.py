"""Published weights: from the variables of a TensorFlow checkpoint to a state of our networks (spec 14).

Our networks have the names and the shapes of the original, so importing is stripping the scope, dropping what belongs to the
optimiser, and checking that nothing is missing, left over or of another shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cache.errors import DataError

#: what stands before the names of a network: Z's teacher and student, N, A's student and teacher
PREFIXES = ("teacher/tower/", "student/tower/", "tower/", "model_student/", "model/")
SLOTS = ("Adam", "Adam_1", "ExponentialMovingAverage", "Momentum")
COUNTERS = ("global_step", "beta1_power", "beta2_power")
LEAVES = {"moving_mean": "running_mean", "moving_variance": "running_var"}
SHOWN = 8


def state_name(variable: str) -> str | None:
    """Our name of a variable, or None if it belongs to the optimiser: ``tower/hidden1_bn/moving_mean`` is ``hidden1_bn.running_mean``."""
    *_, leaf = parts = variable.split("/")
    if leaf in SLOTS or leaf in COUNTERS:
        return None
    prefix = next((prefix for prefix in PREFIXES if variable.startswith(prefix)), "")
    parts = variable.removeprefix(prefix).split("/")
    parts[-1] = LEAVES.get(leaf, leaf)
    return ".".join(parts)


def to_state(variables: Mapping[str, npt.NDArray[Any]], model: nn.Module, *, source: str = "the checkpoint") -> dict[str, Tensor]:
    """The state of ``model`` from variables by name. Raises DataError with a list of what is missing, left over or mis-shaped."""
    found = {name: value for variable, value in variables.items() if (name := state_name(variable)) is not None}
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    wrong = [f"missing: {name} {list(shape)}" for name, shape in wanted.items() if name not in found]
    wrong += [f"left over: {name} {list(found[name].shape)}" for name in found if name not in wanted]
    wrong += [
        f"{name}: {list(found[name].shape)}, expected {list(shape)}"
        for name, shape in wanted.items()
        if name in found and found[name].shape != shape
    ]
    if wrong:
        more = f"\n  and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise DataError(
            f"{source} does not fit the network:\n  " + "\n  ".join(wrong[:SHOWN]) + more,
            hint="the sizes of the network (groups, clusters, hidden, classes ...) must be those it was trained with",
        )
    return {name: torch.from_numpy(np.array(found[name], np.float32)) for name in wanted}


def load_published(model: nn.Module, variables: Mapping[str, npt.NDArray[Any]], *, source: str = "the checkpoint") -> nn.Module:
    """Load variables into ``model`` and return it; see :func:`to_state`."""
    model.load_state_dict(to_state(variables, model, source=source))
    return model
