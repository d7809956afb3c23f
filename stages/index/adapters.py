"""The known layouts. A dataset is one file that defines a LAYOUT, and one line here (and its name in IndexParams)."""

from __future__ import annotations

from cache.errors import ConfigError, nearest
from stages.index import folder, msrvtt_qa, msvd_qa, yt8m
from stages.index.dataset import Layout

ADAPTERS: dict[str, Layout] = {
    "msvd-qa": msvd_qa.LAYOUT,
    "msrvtt-qa": msrvtt_qa.LAYOUT,
    "folder": folder.LAYOUT,
    "folder-all": folder.ALL,
    "yt8m": yt8m.LAYOUT,
    "yt8m-video": yt8m.VIDEO_LEVEL,
}


def adapter(name: str) -> Layout:
    """The layout called ``name``. Raises ConfigError naming the nearest one."""
    if name not in ADAPTERS:
        raise ConfigError(f"unknown layout '{name}'", hint=nearest(name, ADAPTERS))
    return ADAPTERS[name]
