"""Compare what we computed with what a case expects."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.parity.case import Allowance, Case, Mismatch

DEFAULT = 1e-4
"""Allowed error, relative to the largest absolute entry of an output."""
NUMBER = r"\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"


def compare(case: Case, computed: Mapping[str, Any]) -> float:
    """Check every expected output; return the worst error relative to the largest entry of its output.

    Raises Mismatch naming the output and the index where the error exceeds its tolerance most.
    """
    worst, failures = 0.0, []
    for name, want in sorted(case.outputs.items()):
        if name not in computed:
            raise Mismatch(f"out.{name} was not computed")
        error, ratio, text = _difference(name, as_array(computed[name]), want, allowance(case, name, want))
        worst = max(worst, error)
        if ratio > 1.0:
            failures.append((ratio, text))
    if failures:
        raise Mismatch(max(failures)[1])
    return worst


def allowance(case: Case, name: str, want: np.ndarray) -> Allowance:
    """Tolerance of one output: the handler's, else the json's number, else the default; exact for integers."""
    for pattern, allowed in reversed(case.allowances):
        if fnmatch.fnmatchcase(name, pattern):
            return allowed
    if want.dtype.kind in "biuSU":
        return Allowance()
    return stated(case.meta.get("tolerance"))


def stated(tolerance: Any) -> Allowance:
    """Read a json's tolerance: a number, "1e-4 relative ...", or "rtol 1e-3, atol 2e-4 ..."; anything else is the default."""
    text = str(tolerance).strip()
    named = dict(re.findall(rf"\b(rtol|atol)\s*=?\s*({NUMBER})", text))
    if named:
        return Allowance(relative=float(named.get("rtol", 0.0)), absolute=float(named.get("atol", 0.0)))
    plain = re.fullmatch(rf"({NUMBER})(?:\s+relative\b.*)?", text)
    return Allowance(relative=float(plain[1]) if plain else DEFAULT)


def as_array(value: Any) -> np.ndarray:
    """Return a tensor, a number or an array as an array."""
    return np.asarray(value.detach().cpu().numpy() if hasattr(value, "detach") else value)


def _difference(name: str, got: np.ndarray, want: np.ndarray, allowed: Allowance) -> tuple[float, float, str]:
    """Return (error relative to the largest entry, error / allowed, text naming the worst entry)."""
    if got.shape != want.shape:
        raise Mismatch(f"out.{name}: shape {list(got.shape)}, expected {list(want.shape)}")
    if want.dtype.kind in "SUb":
        wrong = np.argwhere(got != want)
        return _verdict(name, tuple(wrong[0]), got, want, np.inf, np.inf) if len(wrong) else (0.0, 0.0, "")
    if not want.size:
        return 0.0, 0.0, ""
    ours, theirs = got.astype(np.float64), want.astype(np.float64)
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    gap = np.where(same, 0.0, np.abs(ours - theirs))
    gap = np.where(np.isnan(gap), np.inf, gap)
    finite = np.abs(theirs[np.isfinite(theirs)])
    scale = allowed.scale or (float(finite.max()) if finite.size else 0.0)
    limit = allowed.relative * scale + allowed.absolute
    if allowed.relative and not limit:
        limit = allowed.relative * DEFAULT  # an output of zeros gives no scale: let rounding noise pass
    index = np.unravel_index(int(gap.argmax()), gap.shape)
    largest = float(gap[index])
    ratio = 0.0 if largest == 0.0 else largest / limit if limit else np.inf
    return _verdict(name, index, got, want, largest / scale if scale else largest, ratio)


def _verdict(name: str, index: Any, got: np.ndarray, want: np.ndarray, error: float, ratio: float) -> tuple[float, float, str]:
    at = "[" + ", ".join(str(int(i)) for i in index) + "]" if len(index) else ""
    return error, ratio, f"worst error at out.{name}{at}: got {got[index]}, expected {want[index]} (relative to largest {error:.1e})"
