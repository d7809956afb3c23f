"""Two networks item by item: how many only one of them has right, and which; over all replicates together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from models.evaluation.files import Prediction, read_predictions
from models.evaluation.paired_items import bootstrap, mcnemar
from models.evaluation.predictions import keeps

#: What has become of an item from A to B, and what that is called.
GAINED, LOST, OTHERWISE = "gained", "lost", "otherwise"


@dataclass
class Item:
    """An item that both networks were asked: in how many replicates each was right, and what it said, replicate by replicate."""

    first: Prediction
    right: list[int] = field(default_factory=lambda: [0, 0])
    said: tuple[list[Any], list[Any]] = field(default_factory=lambda: ([], []))

    @property
    def difference(self) -> float:
        """In which share of the replicates B is right, less that of A."""
        return (self.right[1] - self.right[0]) / len(self.said[0])


@dataclass(frozen=True)
class Counts:
    """Items of one replicate by who has them right."""

    both: int
    only_a: int
    only_b: int
    neither: int

    @property
    def p(self) -> float:
        """The p of McNemar's test."""
        return float(mcnemar(self.only_a, self.only_b))


@dataclass
class Tally:
    """The items of two networks, replicate after replicate."""

    items: dict[str, Item] = field(default_factory=dict)
    replicates: list[Counts] = field(default_factory=list)
    other_truth: int = 0

    def add(self, mine: Mapping[str, Prediction], theirs: Mapping[str, Prediction]) -> None:
        """Count a replicate: what A's network said by item, and B's."""
        common = [id for id in mine if id in theirs and not mine[id].prediction is theirs[id].prediction is None]
        kept = [id for id in common if mine[id].answer == theirs[id].answer]
        self.other_truth += len(common) - len(kept)
        self.replicates.append(_counts((mine[id].is_right, theirs[id].is_right) for id in kept))
        for id in kept:
            item = self.items.setdefault(id, Item(mine[id]))
            for side, one in enumerate((mine[id], theirs[id])):
                item.right[side] += one.is_right
                item.said[side].append(one.prediction)

    def told(self, level: float, limit: int) -> dict[str, Any] | None:
        """What there is to say of all replicates together, as JSON has it; None without an item."""
        if not self.items:
            return None
        every = list(self.items.values())
        drawn = bootstrap([item.difference for item in every], [_group(item) for item in every], level=level)
        return {
            **asdict(drawn),
            "a": _share(every, 0),
            "b": _share(every, 1),
            "other_truth": self.other_truth,
            "replicates": [{**asdict(counts), "p": counts.p} for counts in self.replicates],
            "changed": _changed(every, limit),
        }


def compare_items(
    directories: Sequence[tuple[Path, Path]], networks: Sequence[tuple[str, str]], *, level: float, limit: int
) -> list[dict[str, Any] | None]:
    """Of each of ``networks`` (its name on A's side and on B's): what is to be said of it by item; None if one side keeps no predictions.

    ``directories`` are the evaluations of A and B, a pair for each replicate; each is read once. Items count that both have. Those of
    which neither could say anything are left out; where only one could not, it is wrong. So are those out whose truth differs.
    """
    if not all(keeps(path) for pair in directories for path in pair):
        return [None for _ in networks]
    names = {name for pair in networks for name in pair}
    tallies = [Tally() for _ in networks]
    for a, b in directories:
        mine = _by_network(a, names)
        theirs = mine if a == b else _by_network(b, names)
        for tally, (first, second) in zip(tallies, networks):
            tally.add(mine[first], theirs[second])
    return [tally.told(level, limit) for tally in tallies]


def _by_network(directory: Path, names: Collection[str]) -> dict[str, dict[str, Prediction]]:
    found: dict[str, dict[str, Prediction]] = {name: {} for name in names}
    for one in read_predictions(directory):
        if one.model in found:
            found[one.model][one.item] = replace(one, top=())
    return found


def _counts(right: Iterable[tuple[bool, bool]]) -> Counts:
    found = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    for pair in right:
        found[pair] += 1
    return Counts(*found.values())


def _group(item: Item) -> Hashable:
    """What the item shares with others: its video, or nothing but itself."""
    video = item.first.about.get("video_id")
    return ("item", item.first.item) if video is None else ("video", str(video))


def _share(items: Sequence[Item], side: int) -> float:
    """The mean over the items of the share of replicates in which they are right."""
    return sum(item.right[side] / len(item.said[side]) for item in items) / len(items)


def _changed(items: Sequence[Item], limit: int) -> dict[str, Any]:
    """Of every kind of change how many items, and the first of them, those that changed in most replicates before others."""
    kinds: dict[str, Callable[[Item], bool]] = {
        GAINED: lambda item: item.difference > 0,
        LOST: lambda item: item.difference < 0,
        OTHERWISE: lambda item: item.difference == 0 and item.said[0] != item.said[1],
    }
    found = {}
    for kind, is_one in kinds.items():
        mine = sorted(filter(is_one, items), key=lambda item: -abs(item.difference))
        found[kind] = {"count": len(mine), "shown": [_row(item) for item in mine[:limit]]}
    return found


def _row(item: Item) -> dict[str, Any]:
    first = item.first
    return {
        "item": first.item,
        "kind": first.kind,
        "answer": first.answer,
        "a": item.said[0],
        "b": item.said[1],
        "right_a": item.right[0],
        "right_b": item.right[1],
        "about": dict(first.about),
    }
