"""Who has not been heard for how long, among processes that share work.

Each tells the others once in :data:`EVERY` seconds that it lives, from a thread of its own: a long decoding or a slow first epoch is no
silence. What silences a living process is C code that keeps Python's lock, so :data:`LIMIT` leaves it most of a minute.
"""

from __future__ import annotations

from collections.abc import Mapping

EVERY = 1.0
#: Whoever is silent for so many seconds is taken for dead.
LIMIT = 45.0


class Silence:
    """Seconds of silence of each process, as one listener counts them.

    Only time in which the listener itself was listening counts. One that was stopped together with the others, or alone, hears them
    again before it takes anybody for dead.
    """

    def __init__(self) -> None:
        self._beats: dict[int, str] = {}
        self._seconds: dict[int, float] = {}
        self._listened: float | None = None

    def hear(self, beats: Mapping[int, str], now: float) -> None:
        """Note the last beat of each process (empty: it has not begun) at ``now``, in seconds of a clock that never goes back."""
        passed = 0.0 if self._listened is None else min(now - self._listened, 2 * EVERY)
        self._listened = now
        for number, beat in beats.items():
            still = beat != "" and beat == self._beats.get(number)
            self._seconds[number] = self._seconds[number] + passed if still else 0.0
            self._beats[number] = beat

    def over(self, limit: float) -> dict[int, float]:
        """Process -> seconds of silence, of those that were silent for ``limit`` seconds or longer."""
        return {number: seconds for number, seconds in sorted(self._seconds.items()) if seconds >= limit}
