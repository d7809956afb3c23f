"""An adapter by the name of its layout. No other is imported: so it, or an edit of it, is no business of the datasets that are there.

Nothing that ``run`` reaches imports this module, since it speaks of all layouts.
"""

from __future__ import annotations

import dataclasses
import importlib

from cache.errors import ConfigError, nearest
from stages.index import IndexParams, module_of
from stages.index.dataset import Layout


def adapter(name: str) -> Layout:
    """The layout called ``name``. Raises ConfigError naming the nearest one."""
    (known,) = (field.metadata["choices"] for field in dataclasses.fields(IndexParams) if field.name == "layout")
    if name not in known:
        raise ConfigError(f"unknown layout '{name}'", hint=nearest(name, known))
    found: Layout = importlib.import_module(module_of(name)).LAYOUT
    return found
