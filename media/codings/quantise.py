"""Flow in 8 bits, with a bound: the rules of three tools, and back to pixels.

========= ============================================================================ ========= =================
rule      code of v pixels, bound b                                                    no motion beyond the bound
========= ============================================================================ ========= =================
denseflow round half to even (255 (v + b) / 2b), in double (also dense_flow)           128       0 or 255
mmaction  truncate (255 (v + b) / 2b), in float32                                      127       0 or 255
i3d       round half to even (128 + 255 v / 2b), in float32 (video_features)           128       0 or 256
========= ============================================================================ ========= =================

``i3d`` gives 0..256 as float32 where it is not kept; in 8 bits its 256 becomes 255. What is no number becomes the code of no motion.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8]

#: rule -> the code of no motion
ZERO = {"denseflow": 128, "mmaction": 127, "i3d": 128}


def denseflow(flow: Floats, bound: float) -> Codes:
    """The rule of denseflow and dense_flow: uint8."""
    return np.rint(255 * (np.clip(flow.astype(np.float64), -bound, bound) + bound) / (2 * bound)).astype(np.uint8)


def mmaction(flow: Floats, bound: float) -> Codes:
    """The rule of MMAction2's script: uint8."""
    limit = np.float32(bound)
    return ((np.clip(flow.astype(np.float32), -limit, limit) + limit) * np.float32(255 / (2 * bound))).astype(np.uint8)


def i3d(flow: Floats, bound: float) -> Floats:
    """The rule of I3D in video_features: float32 0..256."""
    limit = np.float32(bound)
    return np.rint(np.float32(128) + np.float32(255 / (2 * bound)) * np.clip(flow.astype(np.float32), -limit, limit))


RULES: dict[str, Callable[[Floats, float], npt.NDArray[np.generic]]] = {"denseflow": denseflow, "mmaction": mmaction, "i3d": i3d}


def quantise(flow: Floats, rule: str, bound: float) -> Codes:
    """``flow`` (..., 2) in pixels as uint8 by one of :data:`RULES`."""
    missing = np.isnan(flow)
    return np.minimum(RULES[rule](np.where(missing, 0, flow) if missing.any() else flow, bound), 255).astype(np.uint8)


def pixels(codes: Codes, rule: str, bound: float) -> Floats:
    """Codes back to pixels, float32, within bound / 255 of what was inside the bound."""
    step = 2 * bound / 255
    if rule == "i3d":
        return ((codes.astype(np.float64) - 128) * step).astype(np.float32)
    middle = 0.5 if rule == "mmaction" else 0.0
    return np.minimum((codes.astype(np.float64) + middle) * step - bound, bound).astype(np.float32)
