"""Run a directory of parity cases and say which ones agree."""

from __future__ import annotations

import fnmatch
import importlib
import sys
import traceback
import zipfile
from pathlib import Path
from typing import TextIO

from tests.parity.case import Case, Handler, Mismatch, handler_of, load_case
from tests.parity.compare import compare
from tests.parity.undrawn import undrawn

AREAS = (
    "dualvgr",
    "modules",
    "losses",
    "training",
    "stages",
    "backbones",
    "i3d",
    "fewerframes",
    "fewerframes_numbers",
    "fewerframes_files",
    "flow_codings",
    "alphapose",
    "depth",
    "flow",
    "litemkd",
    "litemkd_losses",
    "litemkd_students",
    "litemkd_teachers",
    "litemkd_clips",
    "gkd_post_data",
    "gkd_post",
    "gkd_layers",
    "gkd_recognition",
    "gkd_recognition_clips",
    "gkd_detection",
    "gkd_detection_losses",
    "xkd",
    "xkd_training",
    "xkd_downstream",
    "xkd_audio",
    "xkd_windows",
    "xkd_video",
)
"""Modules of handlers in this package. A broken one must not take the others with it: it is reported, and skipped."""


def run(directory: Path, only: str = "*", *, out: TextIO | None = None, verbose: bool = False) -> int:
    """Run the cases of ``directory`` whose file name matches ``only``; return the exit status (0: all passed).

    A json without a ``case`` key is no case and is skipped.
    """
    out = out or sys.stdout
    broken = load_areas()
    for area, reason in broken.items():
        out.write(f"broken tests/parity/{area}.py: {reason}\n")
    counts = {"ok": 0, "FAIL": 0, "unknown": 0}
    for path in sorted(path for path in directory.glob("*.json") if fnmatch.fnmatchcase(path.stem, only)):
        try:
            case = load_case(path)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            name, status, text = path.stem, "FAIL", f" cannot be read: {error}"
        else:
            if case is None:
                continue
            name = case.name
            status, text = verdict(case, handler_of(name), verbose=verbose)
        counts[status] += 1
        out.write(f"{status} {name}{text}\n")
        out.flush()
    out.write(f"{counts['ok']} passed, {counts['FAIL']} failed, {counts['unknown']} unknown\n")
    return 0 if counts["ok"] and not counts["FAIL"] and not counts["unknown"] else 1


def load_areas() -> dict[str, str]:
    """Import the handler modules; return area -> reason of those that cannot be imported."""
    broken = {}
    for area in AREAS:
        try:
            importlib.import_module(f"tests.parity.{area}")
        except Exception as error:  # noqa: BLE001 - whatever one area does wrong, the others still run
            broken[area] = f"{type(error).__name__}: {error}"
    return broken


def verdict(case: Case, handler: Handler | None, *, verbose: bool = False) -> tuple[str, str]:
    """Return ("ok" | "FAIL" | "unknown", the rest of the line)."""
    if handler is None:
        return "unknown", ""
    try:
        with undrawn():
            computed = handler(case)
        worst = compare(case, computed)
    except Mismatch as error:
        return "FAIL", f" {error}"
    except Exception as error:  # noqa: BLE001 - a crash is the failure of this case, not of the run
        trace = "\n" + traceback.format_exc() if verbose else ""
        return "FAIL", f" {type(error).__name__}: {error}{trace}"
    return "ok", f" (worst rel err {worst:.1e})"
