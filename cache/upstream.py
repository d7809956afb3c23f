"""A store that results are taken from rather than computed: the team's, on a mount or behind a URL. Nothing is ever written there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cache import addresses
from cache.directory import Directory
from cache.errors import DamageError
from cache.record import Record
from cache.remote import Remote
from cache.store import Store
from cache.transfer import Transfer, open_remote, predecessors


class Upstream:
    """Opened at the first question, so that what asks nothing (``plan``, ``status``) waits for no network.

    ``say`` is told of what is not taken because it is damaged.
    """

    def __init__(self, place: str, say: Callable[[str], None] = lambda line: None) -> None:
        self.place = place
        self.say = say
        self._opened: Remote | None = None

    @property
    def remote(self) -> Remote:
        """Where it is. Raises RemoteError if it is no store, or cannot be reached."""
        if self._opened is None:
            self._opened = open_remote(self.place)
        return self._opened

    def fetch(self, store: Store, key: str) -> Record | None:
        """Bring the result of ``key`` into ``store``; None if upstream has none, or none that is sound.

        Rows come along only from behind a URL: those of a directory are read where they are (:meth:`items`).
        """
        transfer = Transfer(self.remote, Directory(store.root, own=True), items=self.remote.local("format.json") is None)
        try:
            with store.publishing():
                record = transfer.result(key)
        except DamageError as error:
            self.say(f"not taken from upstream: {error}")
            return None
        for line in transfer.moved.damaged:
            self.say(f"not taken from upstream: {line}")
        return record

    def items(self, stage: str, name: str) -> list[Path]:
        """Directories of an upstream directory whose rows may be read as they are; none behind a URL."""
        try:
            found = [self.remote.local(directory) for directory, _ in predecessors(self.remote, stage, addresses.digest(name))]
        except DamageError as error:
            self.say(f"rows of {stage} are not taken from upstream: {error}")
            return []
        return [path for path in found if path is not None]
