"""A flow network as an expert: pairs of frames in, flow of the frames' size out, on the inference that all networks share."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.backbones.published import State, load_into, read_state
from models.experts.flow_fit import Fit
from models.experts.running import Job, Setup, by_network
from models.inference.batches import Array, Item
from models.inference.infer import Plan

#: what the maps of a batch may take, per lane on a CPU, on a GPU: larger frames go in smaller batches
CPU_BYTES, GPU_BYTES = 1 << 30, 4 << 30


class Fitted(nn.Module):
    """The taps of :mod:`models.backbones.registry` of a flow network: the map is its flow, pooled it is the frame's."""

    def __init__(self, net: nn.Module, fit: Fit) -> None:
        super().__init__()
        self.net, self.fit = net, fit

    def forward_features(self, x: Tensor) -> Tensor:
        """Flow (B, 2, h, w) of the network's input."""
        return self.net.forward_features(x)  # type: ignore[operator, no-any-return]

    def pool(self, flow: Tensor) -> Tensor:
        """Flow (B, H, W, 2) of the frames."""
        return self.fit.to_frame(flow).permute(0, 2, 3, 1)

    def feature(self, x: Tensor) -> Tensor:
        """Flow (B, H, W, 2) of the frames."""
        return self.pool(self.forward_features(x))


class FlowExpert:
    """An :class:`models.experts.running.Expert` of ``net``, whose input ``to_input`` makes of frames (2 B, 3, h, w), 0..255, pair by pair.

    ``bytes_of_a_row``: what its maps take for a pair, for the size of batches.
    """

    def __init__(
        self, net: nn.Module, setup: Setup, fit: Fit, to_input: Callable[[Tensor], Tensor], bytes_of_a_row: int, what: str
    ) -> None:
        self._net = Fitted(net, fit).requires_grad_(False).eval().to(torch.device(setup.plan.device))
        self._plan, self._fit, self._to_input, self._what = plan_for(setup.plan, bytes_of_a_row), fit, to_input, what

    def __call__(self, jobs: Sequence[Job], load: Callable[[Job], Item]) -> Iterator[tuple[str, list[Any]]]:
        """See :class:`models.experts.running.Expert`."""
        try:
            yield from by_network(self._net, jobs, load, self._plan, lambda row: row, self._input, np.ascontiguousarray, self._what)
        finally:
            gc.collect()  # packed weights, as large as the network, in a graph that refers to itself

    def _input(self, pairs: Array) -> Tensor:
        """uint8 (B, 2, H, W, 3) to network input on the device, where only bytes cross over to."""
        frames = torch.from_numpy(pairs).to(self._plan.device, non_blocking=True).flatten(0, 1)
        return self._to_input(self._fit.to_network(frames.permute(0, 3, 1, 2).float())).contiguous(memory_format=torch.channels_last)


def plan_for(plan: Plan, bytes_of_a_row: int) -> Plan:
    """``plan`` with so many rows of a batch that its maps fit: that depends on the frames' size alone, so bits do too."""
    budget = CPU_BYTES if plan.device == "cpu" else GPU_BYTES
    return dataclasses.replace(plan, rows=max(1, min(plan.rows, budget // bytes_of_a_row)))


def with_weights(make: Callable[[], nn.Module], weights: Path | None, seed: int) -> nn.Module:
    """The network that ``make`` builds, with the weights of a file, strictly, or random ones of ``seed``.

    Raises DataError as :func:`models.backbones.published.read_state` and ``load_into``.
    """
    if weights is None:
        torch.manual_seed(seed)
        return make()
    state: State = {name.removeprefix("model."): value for name, value in read_state(weights).items()}
    with torch.device("meta"):
        net = make()
    return load_into(net.to_empty(device="cpu"), state, weights.name)
