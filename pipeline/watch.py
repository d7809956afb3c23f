"""What a run may load: only code that its key speaks of, from the files that were fingerprinted, in workers too."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterable, Iterator

from cache import loaded
from cache.errors import StoreError
from cache.fingerprint import unseen
from cache.loaded import Report
from cache.record import Key
from cache.stage import Context, Node
from cache.syntax import Module
from pipeline.judge import Judge, closure


class Watch:
    """Over one run of one node."""

    def __init__(self, judge: Judge, node: Node, key: Key) -> None:
        self._fingerprint = judge.fingerprint
        self._node = node
        self._key = key
        self._code = judge.code(node)
        self._before: set[str] = set()

    @contextlib.contextmanager
    def stage(self) -> Iterator[Callable[[Context], None]]:
        """The function that does the work; while it runs, what it and its workers load is seen.

        What was loaded for other things is out of sight: if this stage uses it too, it must load it. Raises StoreError if a file is
        not the one that was fingerprinted, or was edited meanwhile.
        """
        others = unseen(sys.modules, self._code)
        with loaded.aside(others), loaded.examining(self._worker):
            self._before = set(sys.modules)
            yield self._load()

    def check(self) -> None:
        """Raise StoreError if the result depends on code which its key does not see: before it is published."""
        loaded.check_files(self._fingerprint, loaded.files(), self._node.name)
        self._reach(sys.modules.keys() - self._before)

    def _load(self) -> Callable[[Context], None]:
        """Import the stage and everything its key speaks of, so that an edit made from now on cannot reach this run."""
        module, _, function = self._node.stage.entry.partition(":")
        for name in self._code:
            importlib.import_module(name)
        entry = importlib.import_module(module)
        loaded.check_files(self._fingerprint, loaded.files(), self._node.name)
        if self._read_again() is None:
            raise StoreError(f"the code of {self._node.name} was edited while it was being loaded", hint="run it again")
        work: Callable[[Context], None] = getattr(entry, function)
        return work

    def _worker(self, report: Report, inherited: bool) -> None:
        """Examine what a worker has loaded, before anything of what it computed is used."""
        who = f"a worker process of {self._node.name}"
        loaded.check_files(self._fingerprint, {name: file for name, (file, _) in report.items()}, who)
        if not inherited:
            self._reach(report)
        texts = {name: text for name, (_, text) in report.items() if name in self._code}
        if self._differ(texts, self._code):
            again = self._read_again()
            if again is None or self._differ(texts, again):
                raise StoreError(f"the code of {self._node.name} was edited while {who} was loading it", hint="run it again")

    @staticmethod
    def _differ(texts: dict[str, str], code: dict[str, Module]) -> bool:
        return any(not text.startswith(code[name].text) for name, text in texts.items())

    def _read_again(self) -> dict[str, Module] | None:
        """The code as it stands now; None if that is another program."""
        again = closure(self._fingerprint.anew(), self._node)
        return again if {name: module.digest for name, module in again.items()} == self._key.code else None

    def _reach(self, names: Iterable[str]) -> None:
        unknown = unseen(names, self._code)
        if unknown:
            raise StoreError(
                f"{self._node.name} loaded {', '.join(unknown)}, which its key does not see: an edit there would go unnoticed; "
                "nothing was published",
                hint=f"import it where the fingerprint can follow, or name it in Stage(..., modules=...) of {self._node.stage.name}",
            )
