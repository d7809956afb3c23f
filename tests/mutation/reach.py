"""Which modules a stage reaches, as Python's own ``modulefinder`` sees it: from compiled code, without the fingerprint."""

from __future__ import annotations

import shutil
from modulefinder import ModuleFinder
from pathlib import Path

from cache.fingerprint import NEUTRAL
from cache.syntax import PACKAGES

PROJECT = Path(__file__).resolve().parents[2]


def copy_tree(target: Path) -> Path:
    """Copy the source tree of the project."""
    for name in (*PACKAGES, "configs"):
        shutil.copytree(PROJECT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def reached(root: Path, modules: list[str]) -> dict[str, Path]:
    """Project modules that ``modules`` import, directly or not, at any place in their code, name -> file."""
    finder = ModuleFinder(path=[str(root)], excludes=sorted(NEUTRAL - {"cache"}))
    for name in modules:
        finder.import_hook(name, fromlist=["*"])
    return {
        name: Path(module.__file__)
        for name, module in sorted(finder.modules.items())
        if name.split(".")[0] in PACKAGES and module.__file__ and name != "cache"
    }
