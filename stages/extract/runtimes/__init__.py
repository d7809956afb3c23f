"""What computes a frozen network's features: PyTorch's own operations, its compiler, or OpenVINO.

A runtime takes batches of one shape, on any number of threads at a time, each of which computes on one core (or one stream of a
GPU). It is used only if its features agree with the plain network's: see :mod:`stages.extract.runtimes.gate`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn

    #: network input of one shape -> pooled features (B, V) float32
    Feature = Callable[[torch.Tensor], torch.Tensor]

#: runtime -> its module
RUNTIMES = {"eager": "eager", "direct": "direct", "compile": "compiled", "openvino": "openvino"}
RUNTIME_NAMES = tuple(RUNTIMES)
PRECISIONS = ("float32", "bfloat16", "float16")


def module_of(runtime: str) -> str:
    """The module that :func:`prepare` imports: an edit of another runtime changes nothing."""
    return f"stages.extract.runtimes.{RUNTIMES[runtime]}"


def data_of(runtime: str) -> tuple[Path, ...]:
    """The packaged files that :func:`prepare` reads."""
    return (Path(__file__).with_name("winograd.c"),) if runtime == "eager" else ()


def prepare(runtime: str, net: nn.Module, example: torch.Tensor, precision: str, lanes: int) -> Feature:
    """Return the features of ``net`` (evaluation mode, float32) as ``runtime`` computes them.

    ``example`` is an input of the one shape, on the device where the work is to be done; ``lanes`` threads will call at once.
    Raises ConfigError if the runtime is not installed, or cannot do ``precision`` or the device.
    """
    feature: Feature = importlib.import_module(module_of(runtime)).prepare(net, example, precision, lanes)
    return feature


def arithmetic(runtime: str, device: str, precision: str) -> str:
    """What computes features here, for people: the runtime, and where its kernels depend on the machine, which."""
    told = getattr(importlib.import_module(module_of(runtime)), "arithmetic", None)
    return str(told(device, precision)) if told is not None else runtime
