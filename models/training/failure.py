"""Why shared work ended: what a process says of itself before it leaves, and which of many reasons is the cause.

When one process fails, the connections of all others break. What these say then is an echo; the cause is what the one said that failed
first, or, if it said nothing, that it is gone.
"""

from __future__ import annotations

import dataclasses
import json
import socket
import traceback
from collections.abc import Iterable
from dataclasses import dataclass

from cache import errors
from cache.errors import KdpipeError

#: What can be the matter with a process, the likelier cause first: its work raised an error; it left no word; somebody ended it from
#: outside; its connections to others broke.
ERROR, GONE, ENDED, BROKEN = KINDS = ("error", "gone", "ended", "broken")
LONGEST = 500


class ProcessError(KdpipeError):
    """A process that shared work failed or is gone."""


@dataclass(frozen=True)
class Failure:
    """What is the matter with process ``rank`` of ``size`` on ``host``.

    ``error`` is the class of an error for people, empty for others; ``trace`` is shown with ``-v``. ``order`` tells which came first.
    """

    rank: int
    size: int
    host: str
    kind: str
    message: str
    hint: str = ""
    error: str = ""
    trace: str = ""
    order: float = 0.0

    def dump(self) -> str:
        """As text."""
        return json.dumps(dataclasses.asdict(self))

    @staticmethod
    def load(text: str) -> Failure:
        """From the text of :meth:`dump`."""
        return Failure(**json.loads(text))

    def exception(self) -> KdpipeError:
        """What is raised where somebody waits for the result: an error for people keeps its class."""
        what = f"rank {self.rank} of {self.size} on {self.host}"
        if self.kind == ERROR and not self.error:
            told: KdpipeError = ProcessError(f"internal error in {what}: {self.message}", hint="run again with -v to see where")
        elif self.kind == ERROR:
            told = getattr(errors, self.error, ProcessError)(f"{what}: {self.message}", hint=self.hint)
        else:
            told = ProcessError(f"{what} {self.message}", hint=self.hint)
        if self.trace:
            told.add_note(self.trace)
        return told


def failure_of(error: BaseException, rank: int, size: int, order: float = 0.0) -> Failure:
    """What process ``rank`` says of itself when its work raised ``error``."""
    trace = "".join(traceback.format_exception(error))
    where = {"rank": rank, "size": size, "host": socket.gethostname(), "trace": trace, "order": order}
    if isinstance(error, KdpipeError):
        return Failure(kind=ERROR, message=error.message, hint=error.hint, error=type(error).__name__, **where)
    words = f"{type(error).__name__}: {error}"[:LONGEST]
    if not isinstance(error, Exception):
        return Failure(kind=ENDED, message=f"was ended from outside ({type(error).__name__})", **where)
    if _by_connection(error):
        return Failure(kind=BROKEN, message=f"lost its connection to the others: {words}", **where)
    return Failure(kind=ERROR, message=words, **where)


def gone(rank: int, size: int, host: str, how: str) -> Failure:
    """Of a process that left no word; ``how`` begins with a verb."""
    hint = "killed for want of memory, or its host failed? What was finished is kept: run the same command to go on"
    return Failure(rank, size, host, GONE, how, hint)


def cause(failures: Iterable[Failure]) -> Failure | None:
    """The likeliest cause, of those the first."""
    return min(failures, key=lambda failure: (KINDS.index(failure.kind), failure.order, failure.rank), default=None)


def _by_connection(error: BaseException) -> bool:
    """Whether an error came out of what processes do together: they raise plain RuntimeErrors, with texts of their libraries."""
    trace = error.__traceback__
    if not isinstance(error, RuntimeError) or trace is None:
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    return str(trace.tb_frame.f_globals.get("__name__", "")).startswith("torch.distributed")
