"""Which of a detector's predictions are people: YOLOv3's selection and suppression, as AlphaPose has them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

PERSON = 0
#: how sure that there is anything; overlap from which the less sure box is dropped; the same where too many boxes are left
CONFIDENCE, OVERLAP, STRICTER, MOST = 0.1, 0.6, 0.55, 100


def people_rows(prediction: Floats, confidence: float = CONFIDENCE, overlap: float = OVERLAP) -> Floats:
    """The people of one picture, the surest first: rows (n, 7) of x1, y1, x2, y2, objectness, class score, class.

    ``prediction`` (N, 5 + classes) has middle, size, objectness and class scores. What is most likely not a person is nobody. If more
    than 100 are left, overlaps are judged more strictly.
    """
    rows = candidates(prediction, confidence)
    kept = rows[suppress(rows[:, :4], rows[:, 4], overlap)]
    return rows[suppress(rows[:, :4], rows[:, 4], min(overlap, STRICTER))] if len(kept) > MOST else kept


def candidates(prediction: Floats, confidence: float) -> Floats:
    """All predicted people before suppression, in the order of the predictions."""
    sure = prediction[prediction[:, 4] > confidence]
    best = sure[:, 5:].argmax(1)
    sure, best = sure[best == PERSON], best[best == PERSON]
    half = sure[:, 2:4] / 2
    corners = np.concatenate([sure[:, :2] - half, sure[:, :2] + half], 1)
    rows: Floats = np.concatenate([corners, sure[:, 4:5], sure[:, 5 + PERSON, None], best[:, None]], 1).astype(np.float32)
    return rows


def suppress(boxes: Floats, scores: Floats, overlap: float) -> npt.NDArray[np.int64]:
    """The boxes that stay, the surest first: one that shares ``overlap`` or more with a surer one goes. Pixels are counted, so that a
    side is x2 - x1 + 1 long."""
    order = np.argsort(-scores, kind="stable")
    areas = (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)
    kept: list[int] = []
    while len(order):
        first, rest = order[0], order[1:]
        kept.append(int(first))
        low = np.maximum(boxes[first, :2], boxes[rest, :2])
        high = np.minimum(boxes[first, 2:], boxes[rest, 2:])
        shared = np.clip(high - low + 1, 0, None).prod(1)
        order = rest[shared / (areas[first] + areas[rest] - shared) < overlap]
    return np.array(kept, np.int64)
