"""From logits of clips to scores and accuracies, one stream or two (spec 6.1)."""

from __future__ import annotations

from torch import Tensor


def scores(*streams: Tensor) -> Tensor:
    """Scores (N, K) of logits (N, K, T), one tensor a stream: added, softmax over classes, summed over positions, softmax again."""
    return sum(streams[1:], streams[0]).softmax(1).sum(2).softmax(1)


def accuracies(scores: Tensor, labels: Tensor, tops: tuple[int, ...] = (1, 5)) -> list[float]:
    """Percent of clips whose label (N,) is among the best 1, 5, ... scores (N, K). Raises ValueError without clips."""
    if not len(labels):
        raise ValueError("no clips")
    order = scores.topk(min(max(tops), scores.shape[1]), 1).indices
    hits = order == labels[:, None]
    return [100 * float(hits[:, :top].any(1).double().mean()) for top in tops]
