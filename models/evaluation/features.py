"""What a report says of the features that its networks were fed with (``features.json`` of an extraction or an import)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def notes(features: Iterable[Mapping[str, Any]]) -> list[str]:
    """A line for each kind: network, weights, clips."""
    return [f"{about['kind']} features: {about['backbone']}, weights {about['weights']}, {about['clips']} clips" for about in features]


def flags(features: Iterable[Mapping[str, Any]]) -> list[str]:
    """What a reader has to know before believing a score: random weights, rows from elsewhere, rows of zeros."""
    found = []
    for about in features:
        if about.get("random"):
            found.append(f"RANDOM WEIGHTS: the {about['kind']} features come from an untrained {about['backbone']}")
        if about.get("imported"):
            digest = about["imported"]["sha256"][:12]
            found.append(f"the {about['kind']} features were imported (sha256 {digest}), not computed here")
        if zeros := about.get("zero_rows"):
            found.append(f"{len(zeros)} of {about['videos']} rows of the {about['kind']} features are zeros (their videos were lost)")
    return found
