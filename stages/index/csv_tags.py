"""Videos of one's own with any number of labels: as :mod:`stages.index.csv_labels`, with the column ``labels``, divided by ``|``."""

from __future__ import annotations

from stages.index.csv_labels import Labels

LAYOUT = Labels(column="labels", divider="|").layout("videos")
