"""What computes a frozen network's outputs: PyTorch's own operations, Winograd's convolutions, PyTorch's compiler, or OpenVINO.

A runtime takes batches of one shape, on any number of threads at a time, each of which computes on one core (or one stream of a
GPU). It is used only if its outputs agree with the plain network's: see :mod:`models.inference.runtimes.gate`. It never gives way to
another: what cannot be used here is an error, so that its name, which is in the key, says what computed. Nothing of torch is imported here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cache.errors import ConfigError
from models.inference.instructions import HINT, lacks, used

if TYPE_CHECKING:
    import torch
    from torch import nn

    from models.inference.ranges import Ranges

    #: network input of one shape -> outputs (B, ...) float32
    Feature = Callable[[torch.Tensor], torch.Tensor]

#: runtime -> its module
RUNTIMES = {"eager": "eager", "winograd": "winograd", "compile": "compiled", "openvino": "openvino"}
RUNTIME_NAMES = tuple(RUNTIMES)
PRECISIONS = ("float32", "bfloat16", "float16")
#: that of a runtime that computes in 8 bits, scaled by :mod:`models.inference.ranges`, and the runtimes that can
INT8, RUNTIMES_IN_INT8 = "int8", ("openvino",)
#: What a network can be asked for whose input has ranges.
MEASURED_PRECISIONS = (*PRECISIONS, INT8)


def conflict(runtime: str, precision: str) -> tuple[str, str] | None:
    """Why ``runtime`` computes in ``precision`` on no machine, and what to type (``{section}``: the section of both); None if it may."""
    if precision == INT8 and runtime not in RUNTIMES_IN_INT8:
        return f"runtime={runtime} does not compute in int8", f"--set {{section}}.runtime={RUNTIMES_IN_INT8[0]}"
    if runtime == "winograd" and precision != "float32":
        what = f"runtime=winograd computes in float32, not in {precision}"
        return what, "--set {section}.precision=float32, or --set {section}.runtime=eager"
    return None


def module_of(runtime: str) -> str:
    """The module that :func:`prepare` imports: an edit of another runtime changes nothing."""
    return f"models.inference.runtimes.{RUNTIMES[runtime]}"


def data_of(runtime: str) -> tuple[Path, ...]:
    """The packaged files that :func:`prepare` reads."""
    return (Path(__file__).with_name("winograd.c"),) if runtime == "winograd" else ()


def libraries_of(runtime: str) -> tuple[str, ...]:
    """The packages whose version can change last bits."""
    return ("torch", "openvino") if runtime == "openvino" else ("torch",)


def prepare(runtime: str, net: nn.Module, example: torch.Tensor, precision: str, lanes: int, ranges: Ranges | None = None) -> Feature:
    """Return ``net.feature`` (evaluation mode, float32) as ``runtime`` computes it.

    ``example`` is an input of the one shape, on the device where the work is to be done; ``lanes`` threads will call at once;
    ``ranges``, for int8 alone, are those of the inputs of the network's convolutions.
    Raises ConfigError if the runtime is not installed, or cannot do ``precision`` or the device, or the processor has no instructions
    for ``precision``.
    """
    lacking = lacks(precision, example.device.type)
    if lacking:
        raise ConfigError(f"precision={precision} cannot be used here: {lacking}", hint=HINT)
    if precision == INT8 and (runtime not in RUNTIMES_IN_INT8 or ranges is None):
        raise ConfigError(f"runtime={runtime} does not compute in int8", hint=f"runtime={RUNTIMES_IN_INT8[0]} does")
    own = (ranges,) if precision == INT8 else ()
    feature: Feature = importlib.import_module(module_of(runtime)).prepare(net, example, precision, lanes, *own)
    return feature


def processor(runtime: str, device: str, precision: str = "float32") -> str:
    """What of this machine changes last bits and is in no key: :func:`vectors`, the instructions of a ``precision`` that needs some, and
    the compiler where one is used.

    Two machines of one group may differ in it, and still share their results: so it is recorded with each of them.
    """
    compiled = getattr(importlib.import_module(module_of(runtime)), "compiled_by", None)
    own = [*used(precision), *([compiled()] if compiled is not None else [])] if device == "cpu" else []
    return ", ".join([vectors(device), *own])


def vectors(device: str) -> str:
    """The vectors of this machine's processor, or its GPU."""
    import torch

    if device != "cpu":
        return str(torch.cuda.get_device_name(device))
    told = torch.backends.cpu.get_cpu_capability()
    return told if torch.backends.mkldnn.is_available() else f"{told} without oneDNN"
