"""The outcome ledger: every item of a stage ends in a state with a reason. Never zeros in silence.

A state is ``ok``, ``degraded`` (usable, with something to know) or ``lost`` (nothing to use). The ledger is part of the
artifact (``ledger.jsonl``, one JSON object a line, sorted by item id), so it holds no time and no absolute path.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: state -> class of outcome.
STATES: dict[str, str] = {
    "ok": "ok",
    "padded": "degraded",  # fewer frames than the sampling wants: frames are repeated
    "fewer_frames": "degraded",  # the header promises more frames than decode
    "more_frames": "degraded",  # the header promises fewer frames than decode
    "damaged": "degraded",  # some packets do not decode; what decodes is used
    "silent": "degraded",  # a stream of sound in which nothing is to be heard
    "no_pair": "degraded",  # optical flow of a video of one frame: nothing moves
    "few_people": "degraded",  # nobody is found in some of its frames
    "no_person": "degraded",  # nobody is found in any of its frames
    "noted": "degraded",  # nothing is wrong with it, but people have to know something (no part of it is annotated, say)
    "lost_before": "degraded",  # an earlier stage lost it, and counts it
    "missing": "lost",  # the file is not there
    "empty": "lost",  # zero bytes
    "not_media": "lost",  # not a container that can be opened, or not the array that it should be
    "no_video": "lost",  # no video stream (audio only), where one is needed
    "no_audio": "lost",  # no audio stream, where one is needed
    "undecodable": "lost",  # a stream, but not one frame or sample decodes
    "timed_out": "lost",
    "non_finite": "lost",  # the result holds NaN or infinity
    "failed": "lost",  # anything else, with the error's text
}


@dataclass(frozen=True)
class Entry:
    """One item's outcome. ``id`` is the dataset's own id of the item."""

    id: str
    state: str
    reason: str = ""
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def outcome(self) -> str:
        """``"ok"``, ``"degraded"`` or ``"lost"``."""
        return STATES[self.state]


class Ledger:
    """Collects outcomes while a stage runs."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    def add(self, id: str, state: str, reason: str = "", **detail: Any) -> None:
        """Record the outcome of item ``id``; a later call for the same id replaces it."""
        if state not in STATES:
            raise ValueError(f"unknown ledger state {state!r}; known: {', '.join(STATES)}")
        self.entries[str(id)] = Entry(str(id), state, reason, detail)

    def counts(self) -> dict[str, int]:
        """State -> number of items, only states that occur."""
        counted = Counter(entry.state for entry in self.entries.values())
        return {state: counted[state] for state in STATES if counted[state]}

    def lost(self) -> list[Entry]:
        """The items with nothing to use, sorted by id."""
        return [e for e in self.sorted() if e.outcome == "lost"]

    def sorted(self) -> list[Entry]:
        """All entries in the order of their ids."""
        return [self.entries[id] for id in sorted(self.entries)]

    def lost_fraction(self) -> float:
        """Lost items / all items (0 for an empty ledger)."""
        return len(self.lost()) / len(self.entries) if self.entries else 0.0

    def dump(self) -> str:
        """The ledger as JSON lines."""
        return "".join(
            json.dumps({"id": e.id, "state": e.state, "reason": e.reason, **({"detail": e.detail} if e.detail else {})}, sort_keys=True)
            + "\n"
            for e in self.sorted()
        )

    @classmethod
    def load(cls, path: Path) -> Ledger:
        """Read ``ledger.jsonl``."""
        return cls.parse(path.read_text(encoding="utf-8"))

    @classmethod
    def parse(cls, text: str) -> Ledger:
        """Parse :meth:`dump`."""
        ledger = cls()
        for line in text.split("\n")[:-1]:
            row = json.loads(line)
            ledger.add(row["id"], row["state"], row["reason"], **row.get("detail", {}))
        return ledger
