"""PyTorch's compiler: weights packed once for the machine, operations fused. On a CPU it needs a C++ compiler at hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from cache.errors import ConfigError
from stages.extract.runtimes.eager import quicken, tap


def prepare(net: nn.Module, example: Tensor, precision: str, lanes: int) -> Callable[[Tensor], Tensor]:
    """See :func:`stages.extract.runtimes.prepare`. Compiles here, in the calling thread: threads that call it only run."""
    options: dict[str, Any] = {"freezing": True, "cpp.threads": 1} if example.device.type == "cpu" else {"freezing": True}
    compiled = torch.compile(tap(quicken(net), precision), dynamic=False, options=options)
    threads = torch.get_num_threads()

    def feature(x: Tensor) -> Tensor:
        with torch.no_grad():  # not inference_mode: the compiler freezes weights under no_grad alone
            pooled: Tensor = compiled(x)
            return pooled

    torch.set_num_threads(1)  # what is compiled for one thread is guarded by it: the lanes have one each
    try:
        feature(example)
    except (RuntimeError, OSError) as error:
        raise ConfigError(
            f"runtime=compile does not work here: {str(error).splitlines()[0]}",
            hint="a C++ compiler is needed (apt install g++); runtime=eager needs none, runtime=openvino has its own",
        ) from error
    finally:
        torch.set_num_threads(threads)
    return feature
