"""YouTube-8M at video level: one mean a video instead of its frames (see :mod:`stages.index.yt8m`)."""

from __future__ import annotations

from functools import partial

from stages.index.dataset import Layout
from stages.index.yt8m import EXAMINE, read, sources

LAYOUT = Layout(sources=partial(sources, level="video"), read=partial(read, level="video"), holds=("records",), examine=EXAMINE)
