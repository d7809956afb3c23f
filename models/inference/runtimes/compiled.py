"""PyTorch's compiler: weights packed once for the machine, operations fused. On a CPU it needs a C++ compiler at hand."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType

import torch
from torch import Tensor, nn
from torch._inductor import config

from cache.errors import ConfigError
from models.inference.runtimes.eager import quicken, tap


def prepare(net: nn.Module, example: Tensor, precision: str, lanes: int) -> Callable[[Tensor], Tensor]:
    """See :func:`models.inference.runtimes.prepare`. Compiles here, in the calling thread: threads that call it only run."""
    settings = {"freezing": True, **({"cpp.threads": 1} if example.device.type == "cpu" else {})}
    with torch.inference_mode(False):  # what was made in inference mode is not packed: a ResNet-101 would take 1.8 times as long
        compiled = torch.compile(_with_own_code(tap(quicken(net), precision)), dynamic=False)
    shape, strides, kind = example.shape, example.stride(), example.dtype
    threads = torch.get_num_threads()

    def feature(x: Tensor) -> Tensor:
        with torch.inference_mode(False), torch.no_grad():
            # The compiler answers another layout, or a tensor of inference mode, with other code, hence with other bits.
            if x.stride() != strides or x.is_inference():
                x = torch.empty_strided(shape, strides, dtype=kind, device=x.device).copy_(x)
            pooled: Tensor = compiled(x)
            return pooled

    torch.set_num_threads(1)  # what is compiled for one thread is guarded by it: the lanes have one each
    try:
        with config.patch(settings):  # given as options of torch.compile, freezing has no effect
            feature(example)
    except (RuntimeError, OSError) as error:
        raise ConfigError(
            f"runtime=compile does not work here: {str(error).splitlines()[0]}",
            hint="a C++ compiler is needed (apt install g++); runtime=eager needs none, runtime=openvino has its own",
        ) from error
    finally:
        torch.set_num_threads(threads)
    return feature


def _with_own_code(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """A copy of ``function`` whose code object is its own.

    The compiler keeps its results by code object and, after eight of one, goes back to PyTorch's own operations without a word.
    """
    code = function.__code__.replace()
    return FunctionType(code, function.__globals__, function.__name__, function.__defaults__, function.__closure__)
