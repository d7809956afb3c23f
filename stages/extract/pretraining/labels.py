"""What a frame or a clip of the drawn world shows, as one vector of zeros and ones, in named groups.

Groups of single facts (who, which colour, which action) and groups of pairs (this person does this, that one holds that):
pairs make the network keep apart who does what.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

#: share of a clip that an action must fill to count
LEAST_SHARE = 0.35
#: what one actor is, wears, holds and does: one answer each
ACTOR_GROUPS = ("kind", "shirt", "bottom", "hat", "held", "action")


@dataclass(frozen=True)
class Vocabulary:
    """Group -> names of its labels, in order; a label's place in the vector follows."""

    groups: Mapping[str, tuple[str, ...]]

    @property
    def size(self) -> int:
        return sum(map(len, self.groups.values()))

    def spans(self) -> dict[str, slice]:
        """Group -> its part of the vector."""
        spans, start = {}, 0
        for group, names in self.groups.items():
            spans[group] = slice(start, start + len(names))
            start += len(names)
        return spans

    def encode(self, facts: Mapping[str, set[str]]) -> npt.NDArray[np.float32]:
        """The vector of ``facts`` (group -> names that hold)."""
        return np.array([name in facts.get(group, ()) for group, names in self.groups.items() for name in names], np.float32)


def facts(plan: Mapping[str, Any], start: float, end: float) -> dict[str, set[str]]:
    """Group -> what holds in the video ``plan`` between ``start`` and ``end`` seconds (equal for a single frame)."""
    found: dict[str, set[str]] = {
        "scene": {plan["scene"]},
        "night": {"night"} if plan["night"] else set(),
        "count": {str(len(plan["actors"]))},
        "thing": {thing["name"] for thing in plan["things"]},
        "camera": {plan["camera"]["move"]},
    }
    for actor in plan["actors"]:
        kind, shirt, held = actor["kind"], actor["shirt"], actor["holds"]
        actions = active(actor["segments"], start, end)
        single = {
            "kind": [kind],
            "shirt": [shirt],
            "bottom": [actor["bottom"]],
            "hat": [actor["hat"]] * bool(actor["hat"]),
            "held": [held] * bool(held),
            "held colour": [f"{actor['holds_colour']} {held}"] * bool(held),
            "action": actions,
            "kind shirt": [f"{kind} {shirt}"],
            "kind held": [f"{kind} {held}"] * bool(held),
            "shirt held": [f"{shirt} {held}"] * bool(held),
            "kind action": [f"{kind} {action}" for action in actions],
            "shirt action": [f"{shirt} {action}" for action in actions],
        }
        for group, names in single.items():
            found.setdefault(group, set()).update(names)
    return found


def active(segments: Iterable[Mapping[str, Any]], start: float, end: float) -> list[str]:
    """Actions that fill enough of ``start``..``end``, or hold at that instant."""
    length = end - start
    return [
        segment["action"]
        for segment in segments
        if (
            min(segment["end"], end) - max(segment["start"], start) >= LEAST_SHARE * length
            if length
            else segment["start"] <= start < segment["end"]
        )
    ]


def actor_classes(vocabulary: Vocabulary, plan: Mapping[str, Any], actor: Mapping[str, Any], start: float, end: float) -> list[int]:
    """One class per group of :data:`ACTOR_GROUPS`: the last class is "nothing", -100 (no opinion) stands for a rare label."""
    found = facts({**plan, "actors": [actor], "things": []}, start, end)
    classes = []
    for group in ACTOR_GROUPS:
        names = vocabulary.groups[group]
        mine = sorted(found.get(group, ()))
        classes.append(len(names) if not mine else names.index(mine[-1]) if len(mine) == 1 and mine[0] in names else -100)
    return classes


def build_vocabulary(all_facts: Iterable[Mapping[str, set[str]]], least: int = 20) -> Vocabulary:
    """Every label that holds at least ``least`` times, groups and names in alphabetical order."""
    counts: dict[str, dict[str, int]] = {}
    for found in all_facts:
        for group, names in found.items():
            for name in names:
                counts.setdefault(group, {})
                counts[group][name] = counts[group].get(name, 0) + 1
    return Vocabulary({group: tuple(sorted(n for n, c in counts[group].items() if c >= least)) for group in sorted(counts)})
