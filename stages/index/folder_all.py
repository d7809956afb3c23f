"""Any directory of videos, every file of it taken for one (see :mod:`stages.index.folder`)."""

from __future__ import annotations

from stages.index.dataset import Layout
from stages.index.folder import every_file, read_all

LAYOUT = Layout(sources=every_file, read=read_all)
