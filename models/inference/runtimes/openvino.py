"""OpenVINO on the CPU (``pip install kdpipe[openvino]``), also in 8 bits."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from cache.errors import ConfigError
from models.backbones.fold import fold_batch_norm
from models.inference.instructions import HINT
from models.inference.ranges import Ranges
from models.inference.runtimes.quantised import quantise

#: precision -> OpenVINO's name of it; of int8, of what is left in floating point
HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16", "int8": "f32"}
#: what comes before the name of a module of the network in the names of a model's operations
PREFIX = "__module.net."


def library() -> Any:
    """OpenVINO without its telemetry. Raises ConfigError if it is not installed.

    The telemetry tells a server of every conversion, from forks of the whole process, unless a file in the home forbids it. Where its
    package is not to be had, OpenVINO does without.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] - it is not to be had
    try:
        import openvino
    except ImportError as error:
        raise ConfigError("runtime=openvino needs OpenVINO", hint="pip install 'kdpipe[openvino]'") from error
    return openvino


class _Pooled(nn.Module):
    """The tap as ``forward``, which is what is converted."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net.feature(x)  # type: ignore[operator, no-any-return]


def prepare(net: nn.Module, example: Tensor, precision: str, lanes: int, ranges: Ranges | None = None) -> Callable[[Tensor], Tensor]:
    """See :func:`models.inference.runtimes.prepare`. One stream of one core a lane, each with a request of its own."""
    compiled = compiled_model(net, example, precision, lanes, ranges)
    local = threading.local()

    def feature(x: Tensor) -> Tensor:
        if not hasattr(local, "request"):
            local.request = compiled.create_infer_request()
        out = local.request.infer([x.contiguous().numpy()])[compiled.output(0)]
        return torch.from_numpy(out.copy()).float()

    return feature


def compiled_model(net: nn.Module, example: Tensor, precision: str, lanes: int, ranges: Ranges | None = None) -> Any:
    """The compiled model of ``net.feature``. It computes in ``precision``: left to itself, OpenVINO takes bfloat16 wherever the processor
    has it, and float32 where it lacks what was asked for. Raises ConfigError if it would."""
    if example.device.type != "cpu":
        raise ConfigError(f"runtime=openvino computes on the CPU, not on {example.device}", hint="--device cpu, or runtime=compile")
    openvino = library()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the tracer, about itself
        pooled = _Pooled(net if ranges is None else fold_batch_norm(net))  # 8 bits hold what comes after the normalisation
        model = openvino.convert_model(pooled, example_input=example.contiguous(), input=list(example.shape))
    if ranges is not None:
        quantise(model, ranges, PREFIX)
    settings = {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "NUM_STREAMS": lanes,
        "INFERENCE_NUM_THREADS": lanes,
        "ENABLE_CPU_PINNING": False,
    }
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    chosen = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    if chosen != HINTS[precision]:
        raise ConfigError(f"OpenVINO computes in {chosen} here, where precision={precision} was asked for", hint=HINT)
    return compiled
