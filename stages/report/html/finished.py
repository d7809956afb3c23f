"""What the page is made of: the report's own files, the evaluations behind it, and what is known of every result behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cache.items import ItemSet
from cache.ledger import Ledger


@dataclass(frozen=True)
class Made:
    """A result as it stands in the store.

    node, stage:  what made it.
    key, object:  sha256 of all that it depends on, and of its content.
    files:        the directory of its content.
    when:         local time at which it was begun; ``seconds`` how long it took.
    settings:     parameter -> value in its key; ``changed`` are those whose value is not the default.
    reads:        what it calls an input -> the node that made it.
    code:         module -> sha256 of its normal form.
    digests:      external and packaged files by name -> sha256.
    versions:     packages, and the machine.
    accepted:     why an old result was accepted for this key, "" if it was computed.
    stale:        nodes whose old results it was made from.
    """

    node: str
    stage: str
    key: str
    object: str
    files: Path
    when: str
    seconds: float
    settings: Mapping[str, Any] = field(default_factory=dict)
    changed: Mapping[str, Any] = field(default_factory=dict)
    reads: Mapping[str, str] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    accepted: str = ""
    stale: Sequence[str] = ()

    def ledger(self) -> Ledger:
        """What became of its items; empty if it has none."""
        path = self.files / "ledger.jsonl"
        return Ledger.load(path) if path.is_file() else Ledger()


class Opened(NamedTuple):
    """The pictures of a video: their frame ``numbers``, and each as RGB uint8 (H, W, 3)."""

    numbers: npt.NDArray[np.integer]
    picture: Callable[[int], npt.NDArray[np.uint8]]


@dataclass(frozen=True)
class View:
    """One modality of videos: ``name`` for people; by a video's id in the index the digest of what is shown, and its pictures.

    ``open`` raises StoreError or DataError where there are none.
    """

    name: str
    digests: Mapping[str, str]
    open: Callable[[str], Opened]


@dataclass(frozen=True)
class Sampled:
    """What was sampled: of a video, by its id in the index, the key of its row in ``items`` and the digest of its frames or its sound."""

    rows: Mapping[str, tuple[str, str]]
    items: ItemSet


@dataclass(frozen=True)
class Finished:
    """A report and all results behind it, each after what it reads; the last is the report itself.

    ``views``: what the networks could see, the frames first; ``sound``: what they could hear.
    """

    system: str
    made: Mapping[str, Made]
    views: Sequence[View] = ()
    sound: Sampled | None = None

    @property
    def report(self) -> Made:
        """The report."""
        return list(self.made.values())[-1]

    def evaluations(self) -> dict[str, Made]:
        """The evaluations that the report reads, by node."""
        return {
            node: self.made[node] for alias, node in self.report.reads.items() if alias.split(".")[0] == "evaluate" and node in self.made
        }

    def network(self, evaluation: Made, name: str) -> Made | None:
        """The result that holds a network of an evaluation; None if the evaluation calls it otherwise (two networks together, say)."""
        node = evaluation.reads.get(name)
        return self.made.get(node) if node else None

    def behind(self, node: str) -> Iterator[Made]:
        """A result and everything that it was made from."""
        seen, queue = set(), [node]
        while queue:
            one = queue.pop()
            if one in self.made and one not in seen:
                seen.add(one)
                queue += self.made[one].reads.values()
                yield self.made[one]
