"""OpenVINO on the CPU (``pip install kdpipe[openvino]``)."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from cache.errors import ConfigError

#: precision -> OpenVINO's name of it
HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}


class _Pooled(nn.Module):
    """The tap as ``forward``, which is what is converted."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net.feature(x)  # type: ignore[operator, no-any-return]


def prepare(net: nn.Module, example: Tensor, precision: str, lanes: int) -> Callable[[Tensor], Tensor]:
    """See :func:`models.inference.runtimes.prepare`. One stream of one core a lane, each with a request of its own."""
    if example.device.type != "cpu":
        raise ConfigError(f"runtime=openvino computes on the CPU, not on {example.device}", hint="--device cpu, or runtime=compile")
    try:
        import openvino
    except ImportError as error:
        raise ConfigError("runtime=openvino needs OpenVINO", hint="pip install 'kdpipe[openvino]'") from error
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the tracer, about itself
        model = openvino.convert_model(_Pooled(net), example_input=example.contiguous(), input=list(example.shape))
    settings = {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "NUM_STREAMS": lanes,
        "INFERENCE_NUM_THREADS": lanes,
        "ENABLE_CPU_PINNING": False,
    }
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    local = threading.local()

    def feature(x: Tensor) -> Tensor:
        if not hasattr(local, "request"):
            local.request = compiled.create_infer_request()
        out = local.request.infer([x.contiguous().numpy()])[compiled.output(0)]
        return torch.from_numpy(out.copy()).float()

    return feature
