"""A frozen network over many items: read ahead, in batches, several batches at once, results in the order of the items.

An output depends on the item and the network alone: not on the other items, their order, the number of cores, or where an earlier run
was killed. Batches are of one size, and each is computed on one thread. Measured: batch size and thread count both change the
last bits of most networks; the place in the batch and the neighbours do not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from models.heap import kept_heap
from models.inference.batches import Array, Batch, Batches, Item
from models.inference.in_order import in_order
from models.inference.ranges import Ranges
from models.inference.runtimes import prepare
from models.inference.runtimes.gate import admit

Job = TypeVar("Job")

#: Rows that go through a network at once on a CPU. Packed weights are as fast with few rows, which leave the lanes less to wait for at
#: the end; a GPU wants many.
ON_CPU, IMAGES_ON_GPU, CLIPS_ON_GPU = 4, 128, 32


@dataclass(frozen=True)
class Plan:
    """How a network computes. ``rows`` of a batch, fixed, since another number could change the last bits; ``lanes`` threads that
    compute, each a batch by itself, and ``readers`` that read ahead of them. ``ranges``: what precision int8 is scaled by."""

    device: str
    rows: int
    lanes: int
    readers: int
    runtime: str = "eager"
    precision: str = "float32"
    ranges: Ranges | None = None

    @classmethod
    def of(
        cls, device: str, cores: int, *, clips: bool, runtime: str = "eager", precision: str = "float32", ranges: Ranges | None = None
    ) -> Plan:
        """What was fastest where it was measured. A GPU has two lanes: a batch is on its way to it while another is computed."""
        if device == "cpu":
            return cls(device, ON_CPU, cores, max(1, cores // 4), runtime, precision, ranges)
        return cls(device, CLIPS_ON_GPU if clips else IMAGES_ON_GPU, 2, cores, runtime, precision, ranges)


def infer(
    net: nn.Module,
    jobs: Iterable[Job],
    load: Callable[[Job], Item],
    plan: Plan,
    to_input: Callable[[Array], Tensor] = torch.from_numpy,
    what: str = "the network",
) -> Generator[tuple[str, Array], None, None]:
    """Yield (id, outputs (n, ...)) of ``load(job)`` for every job, in their order.

    ``net`` is in evaluation mode on the device and has the taps of :mod:`models.backbones.registry`; ``feature`` is what it puts out
    for ``to_input(batch)``, a tensor on the device. The first batch opens the gate: DataError names ``what`` if the runtime is off.
    """
    set_determinism()
    batches, threads = Batches(plan.rows), torch.get_num_threads()
    try:
        with (
            kept_heap(),
            closing(in_order(load, jobs, plan.readers, one_thread)) as loaded,
            closing(in_order(Lanes(net, plan, to_input, what), batches.cut(loaded), plan.lanes, one_thread)) as outputs,
        ):
            yield from batches.join(outputs)
    finally:
        torch.set_num_threads(threads)


class Lanes:
    """Called with a :class:`Batch` by several threads at once; returns its rows (used, ...).

    The first batch opens the gate: the runtime is made ready for its shape and compared with the plain network on it. On a GPU each
    thread has a stream of its own, so that one copies while another computes.
    """

    def __init__(self, net: nn.Module, plan: Plan, to_input: Callable[[Array], Tensor], what: str) -> None:
        self._net: nn.Module | None = net
        self._plan, self._to_input, self._what = plan, to_input, what
        self._feature: Any = None
        self._opening = threading.Lock()
        self._local = threading.local()

    @torch.inference_mode()
    def __call__(self, batch: Batch) -> Array:
        """Network input, network, features back on the host."""
        with self._stream():
            x = self._to_input(batch.inputs)
            if self._feature is None:
                self._open(x)
            rows: Array = self._feature(x)[: batch.used].cpu().numpy()
            return rows

    def _open(self, x: Tensor) -> None:
        with self._opening:
            if self._feature is not None:
                return
            assert self._net is not None
            plan = self._plan
            feature = prepare(plan.runtime, self._net, x, plan.precision, plan.lanes, plan.ranges)
            admit(feature, self._net, x, plan.precision, f"{self._what} by runtime={plan.runtime} precision={plan.precision}")
            self._feature, self._net = feature, None

    def _stream(self) -> AbstractContextManager[Any]:
        if not self._plan.device.startswith("cuda"):
            return nullcontext()
        if not hasattr(self._local, "stream"):
            torch.cuda.synchronize(self._plan.device)  # the weights, copied on the default stream, are there
            self._local.stream = torch.cuda.Stream(self._plan.device)
        return torch.cuda.stream(self._local.stream)


class Whole(nn.Module):
    """A network without taps whose output (B, ...) is wanted as it is."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward_features(self, x: Tensor) -> Tensor:
        """All of the network."""
        return self.net(x)  # type: ignore[no-any-return]

    def pool(self, x: Tensor) -> Tensor:
        """Nothing is left to be done."""
        return x

    def feature(self, x: Tensor) -> Tensor:
        """The output."""
        return self.forward_features(x)


def set_determinism() -> None:
    """Pin what can change bits on a GPU: reduced precision and the choice of algorithms."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def one_thread() -> None:
    """Let the network's operations in the calling thread use one thread: their sums are then always taken in one order."""
    torch.set_num_threads(1)
