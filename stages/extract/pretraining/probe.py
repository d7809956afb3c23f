"""How much a frozen feature knows: a linear probe on videos that the network never saw."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from stages.extract.pretraining.labels import Vocabulary

FloatArray = npt.NDArray[np.float32]


def average_precision(scores: FloatArray, truth: FloatArray) -> float:
    """Area under the precision-recall curve of one label (sum of precision at each positive)."""
    ranked = truth[np.argsort(-scores, kind="stable")]
    hits = np.cumsum(ranked)
    return float((hits / np.arange(1, len(ranked) + 1) * ranked).sum() / ranked.sum())


def linear_probe(
    features: FloatArray, targets: FloatArray, group_of: npt.NDArray[np.int64], vocabulary: Vocabulary, *, seed: int = 0
) -> dict[str, dict[str, float]]:
    """Fit a linear layer on the even videos, score it on the odd ones: mean average precision of each label group.

    ``features`` (n, V), ``targets`` (n, L), ``group_of`` (n,) number of the video that a row comes from. ``chance`` is the
    mean share of positives, which is what a feature that knows nothing gets.
    """
    torch.manual_seed(seed)
    fit, test = group_of % 2 == 0, group_of % 2 == 1
    mean, std = features[fit].mean(0), features[fit].std(0) + 1e-6
    x, y = torch.from_numpy((features - mean) / std), torch.from_numpy(targets)
    layer = torch.nn.Linear(x.shape[1], y.shape[1])
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.01, weight_decay=0.1)
    rows = torch.from_numpy(np.flatnonzero(fit))
    for _ in range(400):
        some = rows[torch.randint(len(rows), (512,))]
        loss = F.binary_cross_entropy_with_logits(layer(x[some]), y[some])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scores = layer(x[torch.from_numpy(test)]).detach().numpy()
    truth = targets[test]
    report = {}
    for group, span in vocabulary.spans().items():
        columns = [c for c in range(span.start, span.stop) if truth[:, c].sum() >= 5]
        if columns:
            report[group] = {
                "mAP": round(float(np.mean([average_precision(scores[:, c], truth[:, c]) for c in columns])), 3),
                "chance": round(float(truth[:, columns].mean()), 3),
                "labels": len(columns),
            }
    return report
