"""The best of some names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def softmax(logits: Any) -> Any:
    """Probabilities along the last axis."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def show_best(names: Sequence[Any], probabilities: Any, top: int = 5) -> None:
    """Print the names with the highest probabilities."""
    for place in np.argsort(-probabilities, kind="stable")[:top]:
        print(f"{100 * probabilities[place]:5.1f} %  {names[place]}")
