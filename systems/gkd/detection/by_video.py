"""What each network finds in each video, beside what is there: for people to look at; the scores are of :mod:`.average_precision`.

Of a video with n true segments the 2 n best found ones are kept, at least ``LEAST``. In their order each may be right once: if its class is
that of a true segment that none before it has, and their tIoU is ``SAME`` or more. A network is right in a video if it finds half of the
true segments so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from models.evaluation.files import Found, Part, Prediction
from models.evaluation.kept import kept
from systems.gkd.detection.average_precision import tiou
from systems.gkd.detection.instances import Instances
from systems.gkd.detection.results import Detection

#: tIoU of a found segment with a true one from which they are the same
SAME = 0.5
#: So many found segments are kept of a video with fewer than half as many true ones.
LEAST = 10
#: So many videos are kept at the most; they are longer than other items.
MOST = 10_000


def predictions(
    results: Mapping[str, Mapping[str, Sequence[Detection]]], truth: Instances, seconds: Mapping[str, float]
) -> Iterator[Prediction]:
    """Of every network (by name) and video with a true segment (of very many videos: evenly chosen ones) what is there and what was found.

    ``results``: network -> video -> its detections; ``seconds``: how long the videos are.
    """
    there: dict[str, list[Part]] = {}
    for video, name, (begin, end) in zip(truth.videos, truth.labels, truth.segments.tolist(), strict=True):
        there.setdefault(video, []).append((name, round(begin, 2), round(end, 2)))
    videos = list(there)
    for network, found in results.items():
        for place in kept(len(videos), MOST):
            video = videos[place]
            parts = sorted(there[video], key=lambda part: part[1:])
            segments = matched(parts, found.get(video, ()))
            hits = sum(segment[4] for segment in segments)
            yield Prediction(
                network,
                video,
                sorted({name for name, *_ in parts}),
                f"{hits} of {len(parts)}",
                {"seconds": round(seconds[video], 2)},
                right=2 * hits >= len(parts),
                parts=parts,
                found=segments,
            )


def matched(parts: Sequence[Part], found: Sequence[Detection]) -> list[Found]:
    """The best of the found segments of a video, the best first, each with whether it is right."""
    best = sorted(found, key=lambda one: -one.score)[: max(LEAST, 2 * len(parts))]
    if not best:
        return []
    overlaps = tiou(np.array([(one.start, one.end) for one in best]), np.array([part[1:] for part in parts], np.float64))
    free, made = np.ones(len(parts), bool), []
    for one, overlap in zip(best, overlaps):
        same = np.array([name == one.label for name, *_ in parts])
        place = int(np.where(free & same, overlap, -1).argmax())
        right = bool(free[place] and same[place] and overlap[place] >= SAME)
        free[place] &= not right
        made.append((one.label, round(float(one.start), 2), round(float(one.end), 2), round(float(one.score), 4), right))
    return made
