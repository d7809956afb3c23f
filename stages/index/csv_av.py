"""Videos of one's own with sound and a label each: as :mod:`stages.index.csv_labels`; a video that is silent is lost."""

from __future__ import annotations

from stages.index.csv_labels import Labels

LAYOUT = Labels().layout("videos", "audio")
