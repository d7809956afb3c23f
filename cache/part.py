"""Parts of an item set: several processes fill it at once, each the rows whose keys fall into its part.

Stages know nothing of parts. They ask which rows are there, compute the others, and assemble all. A :class:`Part` says of the rows of other
parts that they are there; a :class:`Survey` says so of all, and notes what it was asked for. Both end the stage (:class:`Filled`) as
soon as it reads a row, since from there on it assembles.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cache.errors import ConfigError
from cache.items import Item, ItemSet
from cache.lost import Lost


class Filled(BaseException):
    """Every row of the part is there. No error: it passes all handlers of errors."""


@dataclass(frozen=True)
class Shard:
    """Part ``number`` of ``count``, from 1: the rows with sha256(row key) mod count = number − 1."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """``"3/8"``. Raises ConfigError."""
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text.strip())
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise ConfigError(f"'{text}' is no shard", hint="the third of eight is 3/8; they are counted from 1/8 to 8/8")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def holds(self, key: str) -> bool:
        """Whether the row of ``key`` belongs to it."""
        return place_of(key, self.count) == self.number - 1


def place_of(key: str, count: int) -> int:
    """Into which of ``count`` parts, from 0, a row key falls."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest(), "big") % count


def counted(keys: Iterable[str], count: int) -> list[int]:
    """How many of the row keys fall into each of ``count`` parts."""
    sha256, number, found = hashlib.sha256, int.from_bytes, [0] * count
    for key in keys:  # as place_of; millions of them, so without its calls
        found[number(sha256(key.encode()).digest(), "big") % count] += 1
    return found


class Part(ItemSet):
    """An item set as the process sees it that fills ``shard`` of it. What it loses, it leaves for others to know."""

    def __init__(self, directory: Path, *, shard: Shard, writable: bool = True, also: Sequence[Path] = ()) -> None:
        super().__init__(directory, writable=writable, also=also)
        self.shard = shard
        self.lost = Lost(directory, keep=True)

    def __contains__(self, key: str) -> bool:
        return not self.shard.holds(key) or self.has(key)

    def whole(self, key: str, parts: Callable[[Item], Iterable[str]]) -> bool:
        """As :meth:`cache.items.ItemSet.whole`; rows of other parts are."""
        return not self.shard.holds(key) or self._is_whole(key, parts)

    def _is_whole(self, key: str, parts: Callable[[Item], Iterable[str]]) -> bool:
        item = ItemSet.get(self, key)
        return item is not None and all(map(self.has, parts(item)))

    def get(self, key: str) -> Item | None:
        """The stage begins to assemble: raises :class:`Filled`."""
        raise Filled

    def peek(self, key: str) -> dict[str, Any] | None:
        """As :meth:`get`."""
        raise Filled

    def read(self, keys: Iterable[str]) -> Iterator[Item]:
        """As :meth:`get`."""
        raise Filled


class Survey(Part):
    """An item set that is only asked, so that nothing is computed: ``wanted`` are the row keys that a stage asks for, ``todo`` those
    of them that are missing.
    """

    def __init__(self, directory: Path, *, writable: bool = False, also: Sequence[Path] = ()) -> None:
        super().__init__(directory, shard=Shard(1, 1), writable=False, also=also)
        self.wanted: set[str] = set()
        self.todo: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return self._asked(key, self.has(key))

    def whole(self, key: str, parts: Callable[[Item], Iterable[str]]) -> bool:
        """As :meth:`Part.whole`."""
        return self._asked(key, self._is_whole(key, parts))

    def _asked(self, key: str, there: bool) -> bool:
        self.wanted.add(key)
        if not there and self.lost.get(key) is None:
            self.todo.add(key)
        return True
