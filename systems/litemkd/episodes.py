"""Episodes: which videos of which classes are support and query (spec B.7). Training and evaluation draw from the same function.

An episode is a pure function of a pool, a seed and its number. Everything about a video (frames, features of a teacher) is found by its
class and name, never by its place in a list; so a missing video costs itself and shifts nothing (quirk 6).
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass

from cache.errors import ConfigError
from systems.litemkd.draws import EPISODE, Draws
from systems.litemkd.videos import Video, require_classes


@dataclass(frozen=True)
class Shape:
    """``way`` classes, ``shot`` support clips and ``queries`` queries of each."""

    way: int = 5
    shot: int = 5
    queries: int = 1

    def __post_init__(self) -> None:
        if self.way < 2 or self.shot < 1 or self.queries < 1:
            raise ConfigError(f"an episode of {self.way} ways, {self.shot} shots, {self.queries} queries: at least 2, 1 and 1")


@dataclass(frozen=True)
class Episode:
    """Its classes, in the order of their labels 0..way-1, and the clips with their labels, shuffled."""

    classes: tuple[str, ...]
    support: tuple[Video, ...]
    support_labels: tuple[int, ...]
    query: tuple[Video, ...]
    query_labels: tuple[int, ...]


@dataclass(frozen=True)
class Pool:
    """What episodes are drawn from: the classes with enough videos.

    ``missing`` are listed videos that are not there, ``small`` the classes that are left out.
    """

    shape: Shape
    videos: tuple[tuple[Video, ...], ...]
    missing: tuple[Video, ...] = ()
    small: tuple[str, ...] = ()

    def episode(self, seed: int, index: int, use: int = EPISODE) -> Episode:
        """The episode number ``index`` of a seed: classes and, of each, clips without replacement; support and query are shuffled.

        ``use`` keeps the episodes of training, validation and test apart (:mod:`systems.litemkd.draws`).
        """
        shape, draws = self.shape, Draws(seed, index, use)
        support: list[tuple[Video, int]] = []
        query: list[tuple[Video, int]] = []
        chosen = [self.videos[number] for number in draws.sample(len(self.videos), shape.way)]
        for label, videos in enumerate(chosen):
            clips = [(videos[number], label) for number in draws.sample(len(videos), shape.shot + shape.queries)]
            support += clips[: shape.shot]
            query += clips[shape.shot :]
        support, query = ([clips[number] for number in draws.sample(len(clips), len(clips))] for clips in (support, query))
        (known, labels), (asked, wanted) = zip(*support), zip(*query)
        return Episode(tuple(videos[0].label for videos in chosen), known, labels, asked, wanted)


def pool(listed: Iterable[tuple[str, str]], present: Container[tuple[str, str]], shape: Shape) -> Pool:
    """The pool of the listed videos (class, name) that are present. The order of the list does not count.

    Raises DataError if fewer classes than ``shape.way`` have ``shot`` + ``queries`` videos.
    """
    found: dict[str, list[Video]] = {}
    missing = []
    for video in sorted({Video(*video) for video in listed}):
        found.setdefault(video.label, [])
        if video in present:
            found[video.label].append(video)
        else:
            missing.append(video)
    enough = shape.shot + shape.queries
    small = tuple(label for label, videos in found.items() if len(videos) < enough)
    videos = tuple(tuple(videos) for label, videos in found.items() if label not in small)
    require_classes({label: len(videos) for label, videos in found.items()}, shape.way, enough, len(missing))
    return Pool(shape, videos, tuple(missing), small)
