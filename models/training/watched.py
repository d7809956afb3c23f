"""What processes that a launcher started tell one another while they share work: that they live, and why they leave.

They speak through the store that they met at. Work that waits for a dead host in C++ cannot be interrupted, so it has a thread of its own,
and the main thread waits for its end or for a reason why it will not come.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from models.training import silence
from models.training.failure import BROKEN, ENDED, ERROR, GONE, Failure, cause, failure_of, gone
from models.training.silence import Silence

#: How many seconds of silence make one suspect when connections broke and nobody said why.
SUSPECT = 5.0
#: How long a process looks for the reason, once it knows that there is one.
PATIENCE = 10.0
#: How long the first process waits with its leaving for the others to hear the reason: they may lose the store with it.
LINGER = 5.0


class Watch:
    """A thread that speaks to the store, and what it heard. Only this thread does: the store may keep it waiting."""

    def __init__(self, store: Any, rank: int, size: int) -> None:
        self.rank, self.size, self._store = rank, size, store
        self.silence, self.hosts, self.words = Silence(), [""] * size, dict[int, Failure]()
        self.lost = ""  # why the store cannot be reached
        self.rounds, self._word = 0, ""
        self._speak, self._said, self._stopped = threading.Event(), threading.Event(), False
        store.set_timeout(timedelta(seconds=silence.LIMIT))
        self._tell()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin; every process must have made its own by now."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, unless the store keeps it."""
        self._stopped = True
        self._speak.set()
        self._thread.join(2 * silence.EVERY)

    def say(self, failure: Failure) -> None:
        """Tell all others why this process leaves, once; wait until it is told, but not for long."""
        if not self._word:
            self._word = failure.dump()
            self._speak.set()
            self._said.wait(3 * silence.EVERY)

    def cause(self, suspect: float) -> Failure | None:
        """Why the work cannot go on, if it cannot; whoever is silent for ``suspect`` seconds and left no word is gone."""
        silent = {rank: seconds for rank, seconds in self.silence.over(suspect).items() if rank != self.rank and rank not in self.words}
        lost = [gone(rank, self.size, self.hosts[rank], _unheard(seconds)) for rank, seconds in silent.items()]
        return cause([*self.words.values(), *lost])

    def unheard(self) -> bool:
        """Whether another has neither left a word nor fallen silent: it may not know yet that the work is over."""
        quiet = {*self.silence.over(SUSPECT), *self.words, self.rank}
        return not self.lost and len(quiet) < self.size

    def _run(self) -> None:
        while not self._stopped:
            self._speak.wait(silence.EVERY)
            self._speak.clear()
            try:
                self._look()
            except RuntimeError as error:
                self.lost = str(error).splitlines()[0]
                return

    def _look(self) -> None:
        word = self._word
        self._tell()
        if word and not self._said.is_set():
            order = self._store.add("kdpipe/failures", 1)
            self._store.set(f"kdpipe/word/{self.rank}", dataclasses.replace(Failure.load(word), order=order).dump())
            self._said.set()
        names = [f"kdpipe/{what}/{rank}" for what in ("beat", "word") for rank in range(self.size)]
        told = [text.decode() for text in self._store.multi_get(names)]
        self.silence.hear(dict(enumerate(told[: self.size])), time.monotonic())
        self.hosts = [beat.partition(" ")[2] for beat in told[: self.size]]
        self.words = {rank: Failure.load(text) for rank, text in enumerate(told[self.size :]) if text}
        self.rounds += 1

    def _tell(self) -> None:
        self._store.set(f"kdpipe/beat/{self.rank}", f"{self.rounds} {socket.gethostname()}")
        if not self.rounds:
            self._store.set(f"kdpipe/word/{self.rank}", "")


def watched(watch: Watch, work: Callable[[], None]) -> None:
    """Run ``work`` in a thread, and return when it has ended. Raises its error, or the reason why it cannot end.

    The reason is that of whoever failed first. An error of the work that is no echo of another's is raised as it is.
    """
    raised: list[BaseException] = []
    done = _begin(work, raised)
    own, store = None, Silence()
    with _ended_from_outside() as ended:
        while not done.wait(silence.EVERY / 4) and own is None:
            store.hear({0: str(watch.rounds)}, time.monotonic())
            if watch.lost or store.over(silence.LIMIT):
                own = _word(watch, BROKEN, f"lost the store where the processes meet: {watch.lost or 'it does not answer'}")
            elif ended:
                own = _word(watch, ENDED, "was ended by its launcher, or by whoever else sent SIGTERM")
            elif (reason := watch.cause(silence.LIMIT)) is not None:
                own = _word(watch, ENDED, f"left, since {reason.exception().message}")
        if done.is_set() and not raised:
            return
        own = own or failure_of(raised[0], watch.rank, watch.size)
        watch.say(own)
        told = own if own.kind == ERROR else _reason(watch, own)
        _linger(watch)
    if told is own and raised and watch.rank == 0:
        raise raised[0]
    raise told.exception() from (raised[0] if raised else None)


def _begin(work: Callable[[], None], raised: list[BaseException]) -> threading.Event:
    done, context = threading.Event(), contextvars.copy_context()

    def run() -> None:
        try:
            context.run(work)
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            raised.append(error)
        finally:
            done.set()

    threading.Thread(target=run, daemon=True).start()
    return done


def _reason(watch: Watch, own: Failure) -> Failure:
    """The best reason that comes within :data:`PATIENCE` seconds."""
    end = time.monotonic() + PATIENCE
    while True:
        found = cause([own, *filter(None, [watch.cause(SUSPECT)])]) or own
        if found.kind in (ERROR, GONE) or time.monotonic() > end or watch.lost:
            return found
        time.sleep(silence.EVERY / 4)


def _linger(watch: Watch) -> None:
    end = time.monotonic() + LINGER
    while watch.rank == 0 and watch.unheard() and time.monotonic() < end:
        time.sleep(silence.EVERY / 4)


def _word(watch: Watch, kind: str, message: str) -> Failure:
    return Failure(watch.rank, watch.size, socket.gethostname(), kind, message)


def _unheard(seconds: float) -> str:
    return f"is gone: it left no word and was not heard for {seconds:.0f} seconds"


@contextlib.contextmanager
def _ended_from_outside() -> Iterator[list[int]]:
    """Meanwhile SIGTERM does not end this process but fills the list, so that it can say why the launcher ends it."""
    signals: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: signals.append(number))
    try:
        yield signals
    finally:
        signal.signal(signal.SIGTERM, before)
