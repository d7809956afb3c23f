"""What networks took each test video for, over all episodes in which it was a query: for people to look at.

An episode is too little to keep, and there are ten thousand. So of a video it is counted how often it was a query, and for which class it
was taken. A network is right on a video that it takes for its own class in half of its queries or more. Otherwise it says the other class
for which it takes it most often.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from models.evaluation.files import Prediction
from models.evaluation.kept import TOP, kept
from systems.litemkd.protocol import Drawn
from systems.litemkd.videos import Video

#: how often a video (N,) was taken for a class (C,): (N, C)
Counts = npt.NDArray[np.int64]


class Taken:
    """Counts for these videos, whose rows are their places."""

    def __init__(self, videos: Sequence[Video]) -> None:
        self.videos = videos
        self.classes = sorted({video.label for video in videos})
        numbers = {name: number for number, name in enumerate(self.classes)}
        self._own = np.array([numbers[video.label] for video in videos], np.int64)

    def counts(self, asked: Drawn, logits: npt.NDArray[np.floating]) -> Counts:
        """How often each video was taken for each class in the episodes ``asked``, by logits (E, Q, W) of their queries."""
        ways = self._own[asked.support[:, :, 0].numpy()]
        said = np.take_along_axis(ways, logits.argmax(-1), 1)
        found = np.zeros((len(self.videos), len(self.classes)), np.int64)
        np.add.at(found, (asked.query.numpy(), said), 1)
        return found

    def predictions(self, network: str, kind: str, counts: Counts) -> Iterator[Prediction]:
        """What a network said of every video that was a query (of very many: of evenly chosen ones) in episodes of one kind."""
        for place in kept(len(self.videos)):
            video, row, queries = self.videos[place], counts[place], int(counts[place].sum())
            if not queries:
                continue
            best = [int(number) for number in np.argsort(-row, kind="stable") if row[number]]
            own = int(self._own[place])
            right = 2 * int(row[own]) >= queries
            said = own if right else next(number for number in best if number != own)
            top = [(self.classes[number], round(float(row[number]) / queries, 4)) for number in best[:TOP]]
            about = {"video_id": video.name, "queries": queries}
            yield Prediction(network, f"{video.name}, {kind}", video.label, self.classes[said], about, kind=kind, top=top)


def rows(taken: Taken, found: Mapping[str, Mapping[str, Counts]]) -> Iterator[Prediction]:
    """The predictions of all networks: ``found`` has the counts by network and kind of episode."""
    for network, kinds in found.items():
        for kind, counts in kinds.items():
            yield from taken.predictions(network, kind, counts)
