"""Sinks at work beside a training: opened when its first epoch comes, and never in its way."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence

from cache.stage import Epoch
from pipeline.sinks.sink import Run, Sink, Spec
from pipeline.text import line_text

#: The module of the training loop that knows all random generators; it is loaded wherever something is trained.
GENERATORS = "models.training.determinism"


class Listening:
    """The sinks of one training. One that fails is told of on standard error, once, and gets nothing more."""

    def __init__(self, specs: Sequence[Spec], run: Run) -> None:
        self._run = run
        self._waiting = list(specs)
        self._open: list[tuple[Spec, Sink]] = []

    def epoch(self, epoch: Epoch) -> None:
        """Pass an epoch on; the first opens the sinks."""
        waiting, self._waiting = self._waiting, []
        with _as_before():
            for spec in waiting:
                with self._guard(spec):
                    self._open.append((spec, spec.open(self._run)))
            for spec, sink in list(self._open):
                with self._guard(spec):
                    sink.epoch(epoch)

    def close(self) -> None:
        """Close what is open."""
        with _as_before():
            for spec, sink in list(self._open):
                with self._guard(spec):
                    sink.close()
        self._open = []

    @contextlib.contextmanager
    def _guard(self, spec: Spec) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - other people's code must not end a training of hours
            self._open = [(one, sink) for one, sink in self._open if one != spec]
            told = line_text(f"{type(error).__name__}: {error}")
            sys.stderr.write(f"warning: --log {spec}: {told}; nothing more of {self._run.node} goes there\n")


@contextlib.contextmanager
def _as_before() -> Iterator[None]:
    """Whatever a sink draws at random (the name of a run), the training draws what it would have drawn."""
    generators = sys.modules.get(GENERATORS)
    state = generators.random_state() if generators is not None else None
    try:
        yield
    finally:
        if generators is not None:
            restore: Callable[[object], None] = generators.restore_random_state
            restore(state)
