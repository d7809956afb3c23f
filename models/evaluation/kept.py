"""Of how many items an evaluation keeps predictions: of all but very many, so that files and pages stay small."""

from __future__ import annotations

#: Of so many items predictions are kept; of more, of every second, every third …
MOST = 50_000
#: So many answers of a network are kept with their probabilities.
TOP = 5


def kept(items: int, most: int = MOST) -> range:
    """The places of the items whose predictions are kept: all, or evenly chosen ones."""
    return range(0, items, max(1, -(-items // most)))
