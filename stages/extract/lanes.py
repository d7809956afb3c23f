"""The threads that compute: each takes a batch through the network by itself."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from cache.stage import Context
from stages.extract.batches import Batch
from stages.extract.device_input import input_on
from stages.extract.runtimes import prepare
from stages.extract.runtimes.gate import admit

FloatArray = npt.NDArray[np.float32]

#: Rows that go through a network at once, fixed, since another number could change the last bits. Packed weights are as fast with few
#: rows, which leave the lanes less to wait for at the end; a GPU wants many.
ON_CPU = 4
ON_GPU = {"appearance": 128, "motion": 32}


def at_once(kind: str, device: str) -> int:
    """Rows of a batch; ``device`` is ``"cpu"`` or any accelerator."""
    return ON_CPU if device == "cpu" else ON_GPU[kind]


class Lanes:
    """Called with a :class:`Batch` by several threads at once; returns its rows (used, V).

    The first batch opens the gate: the runtime is made ready for its shape and compared with the plain network on it. On a GPU each
    thread has a stream of its own, so that one copies while another computes.
    """

    def __init__(self, ctx: Context, net: nn.Module, lanes: int) -> None:
        params = ctx.params
        self._net: nn.Module | None = net
        self._params, self._device, self._lanes = params, ctx.device, lanes
        self._to_input = input_on(ctx.device, params.kind, params.normalise if params.kind == "appearance" else params.motion_input)
        self._feature: Any = None
        self._opening = threading.Lock()
        self._local = threading.local()

    @torch.inference_mode()
    def __call__(self, batch: Batch) -> FloatArray:
        """Network input, network, features back on the host."""
        with self._stream():
            x = self._to_input(batch.inputs)
            if self._feature is None:
                self._open(x)
            rows: FloatArray = self._feature(x)[: batch.used].cpu().numpy()
            return rows

    def _open(self, x: torch.Tensor) -> None:
        with self._opening:
            if self._feature is not None:
                return
            assert self._net is not None
            params = self._params
            feature = prepare(params.runtime, self._net, x, params.precision, self._lanes)
            what = f"{params.kind} by runtime={params.runtime} precision={params.precision}"
            admit(feature, self._net, x, params.precision, what)
            self._feature, self._net = feature, None

    def _stream(self) -> AbstractContextManager[Any]:
        if not self._device.startswith("cuda"):
            return nullcontext()
        if not hasattr(self._local, "stream"):
            torch.cuda.synchronize(self._device)  # the weights, copied on the default stream, are there
            self._local.stream = torch.cuda.Stream(self._device)
        return torch.cuda.stream(self._local.stream)
