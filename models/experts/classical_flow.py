"""Optical flow without a network, by OpenCV: TV-L1, DIS and Farneback, on grey frames as they are.

Zach, Pock and Bischof, "A Duality Based Approach for Realtime TV-L1 Optical Flow", DAGM 2007; Kroeger et al., "Fast Optical Flow using
Dense Inverse Search", ECCV 2016; Farneback, "Two-Frame Motion Estimation Based on Polynomial Expansion", SCIA 2003. TV-L1 needs OpenCV
with its contributed modules. A pair is computed on one thread, several at once: so a flow does not depend on their number.

Their parameters are the published ones, made for frames of many hundred pixels. On frames of a hundred, and on noise of compression, the
movement of small things spreads over what stands still around them, and variational refinement (option ``refine``) takes part of that back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from cache.errors import ConfigError
from models.experts.frame_size import FrameSizeError
from models.experts.running import Floats, Job, Setup
from models.inference.batches import Array, Batch, Batches, Item
from models.inference.in_order import in_order

#: two grey frames, uint8 (H, W) -> flow (H, W, 2)
Method = Callable[[Array, Array], Floats]
#: Farneback's, as dense_flow has it: scale, levels, window, iterations, neighbourhood and its deviation; windows are Gaussian
DENSE_FLOW = (0.702, 5, 10, 2, 7, 1.5, 256)
#: as mmaction2 has it: windows are boxes
MMACTION2 = (0.5, 3, 15, 3, 5, 1.2, 0)
#: of the refinement: weight of a smooth flow, passes of the solver an iteration (OpenCV's own: 20 and 5)
SMOOTH, PASSES = 50.0, 25


def opencv() -> ModuleType:
    """OpenCV with its contributed modules, or a ConfigError that says how to get it."""
    try:
        import cv2
    except ImportError as error:
        raise ConfigError("classical flow needs OpenCV, which is not installed", hint="pip install kdpipe[flow]") from error
    if not hasattr(cv2, "optflow"):
        raise ConfigError(
            f"OpenCV {cv2.__version__} lacks the contributed modules", hint="pip install kdpipe[flow], and no other opencv-python"
        )
    return cv2  # type: ignore[no-any-return]


def tvl1() -> Method:
    """Dual TV-L1 with OpenCV's own parameters, those of denseflow."""
    method = opencv().optflow.DualTVL1OpticalFlow_create()
    return lambda first, second: method.calc(first, second, None)  # type: ignore[no-any-return]


def dis() -> Method:
    """Dense inverse search, preset medium."""
    cv2 = opencv()
    method = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return lambda first, second: method.calc(first, second, None)  # type: ignore[no-any-return]


def farneback(parameters: tuple[float, ...] = DENSE_FLOW) -> Method:
    """Polynomial expansion."""
    cv2 = opencv()
    return lambda first, second: cv2.calcOpticalFlowFarneback(first, second, None, *parameters)  # type: ignore[no-any-return]


def refined(method: Method, iterations: int) -> Method:
    """``method``, then so many iterations of variational refinement: Brox et al., "High Accuracy Optical Flow Estimation Based on a Theory
    for Warping", ECCV 2004, as OpenCV has it.
    """
    refinement = opencv().VariationalRefinement_create()
    refinement.setAlpha(SMOOTH)
    refinement.setSorIterations(PASSES)
    refinement.setFixedPointIterations(iterations)

    def calc(first: Array, second: Array) -> Floats:
        return refinement.calc(first, second, np.ascontiguousarray(method(first, second)))  # type: ignore[no-any-return]

    return calc


class ClassicalFlow:
    """An :class:`models.experts.running.Expert`; each lane has a method of its own, since they keep what they compute with.

    Option: ``refine``, iterations of :func:`refined`; 0, the default, is the method as published.
    """

    methods: ClassVar[dict[str, Callable[[], Method]]] = {"tvl1": tvl1, "dis": dis, "farneback": farneback}

    def __init__(self, setup: Setup, method: str) -> None:
        self._cv2, self._make, self._name, self._plan = opencv(), self.methods[method], method, setup.plan
        self._refine = int(setup.options.get("refine", 0))
        self._local = threading.local()

    def __call__(self, jobs: Sequence[Job], load: Callable[[Job], Item]) -> Iterator[tuple[str, list[Any]]]:
        """See :class:`models.experts.running.Expert`."""
        pairs, threads = Batches(1), self._cv2.getNumThreads()
        self._cv2.setNumThreads(1)
        try:
            with (
                closing(in_order(load, jobs, self._plan.readers, _nothing)) as loaded,
                closing(in_order(self._flow, pairs.cut(loaded), self._plan.lanes, _nothing)) as flows,
            ):
                for id, products in pairs.join(flows):
                    yield id, list(products)
        finally:
            self._cv2.setNumThreads(threads)

    def _flow(self, batch: Batch) -> Array:
        """Flow (1, H, W, 2) of a batch of one pair, RGB."""
        if not hasattr(self._local, "method"):
            method = self._make()
            self._local.method = refined(method, self._refine) if self._refine else method
        first, second = (self._cv2.cvtColor(frame, self._cv2.COLOR_RGB2GRAY) for frame in batch.inputs[0])
        try:
            flow: Array = np.asarray(self._local.method(first, second), np.float32)
        except self._cv2.error as error:
            size = f"{first.shape[1]}x{first.shape[0]}"
            raise FrameSizeError(
                f"{self._name} finds no flow in frames of {size} pixels: {error.err}", hint="are they too small?"
            ) from error
        return flow[None]


def _nothing() -> None:
    """What a thread does first."""


def expert(setup: Setup, method: str) -> ClassicalFlow:
    """The expert ``method``. Raises ConfigError if OpenCV lacks it."""
    return ClassicalFlow(setup, method)
