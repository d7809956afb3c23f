"""More movements, in the form of :mod:`world.moves`: those that only the videos of one action show (:data:`world.actions.DRILLS`)."""

from __future__ import annotations

import numpy as np

from world.body import Floats
from world.moves import Pose, Style, both


def _turn(t: Floats, hertz: float) -> Floats:
    return 2 * np.pi * hertz * t


def _beat(t: Floats, duration: float, style: Style) -> Floats:
    """Phase 0..1 within the present repetition."""
    return (np.clip(t / duration, 0, 1) * style.reps) % 1.0


def jack(t: Floats, duration: float, style: Style) -> Pose:
    """Arms up and legs apart, and back, with a small jump each way."""
    p = _beat(t, duration, style)
    apart = 0.5 - 0.5 * np.cos(2 * np.pi * p)
    return {**both(a=12 + 148 * apart, ha=4 + 26 * apart * style.size, e=14.0), "lift": 0.05 * np.abs(np.sin(2 * np.pi * p))}


def lunge(t: Floats, duration: float, style: Style) -> Pose:
    """A long step forward into the knee, the legs by turns."""
    x = np.clip(t / duration, 0, 1) * style.reps
    down = np.sin(np.pi * (x % 1.0)) ** 2 * style.size
    first = np.floor(x) % 2 == (0 if style.hand == "r" else 1)
    ahead, behind = {"hf": 74 * down, "k": 4 + 78 * down}, {"hf": -16 * down, "k": 6 + 84 * down}
    legs = {side + name: np.where(first == (side == "r"), ahead[name], behind[name]) for side in "rl" for name in ahead}
    return {**legs, "lean": 6 * down}


def flap(t: Floats, duration: float, style: Style) -> Pose:
    """Both arms beat up and down at the sides, as wings do."""
    s = np.sin(_turn(t, 1.1 * style.rate))
    return {**both(a=66 + 48 * s * style.size, e=16 - 10 * s, k=8 - 6 * s), "lift": 0.012 * np.clip(-s, 0, 1)}


def swim(t: Floats, duration: float, style: Style) -> Pose:
    """Bent forward, the arms reach out and draw back by turns: a crawl without water."""
    s = np.sin(_turn(t, 0.8 * style.rate))
    c = np.cos(_turn(t, 0.8 * style.rate))
    return {
        "lean": 52.0,
        "nod": -24.0,
        "rf": 76 + 88 * s,
        "lf": 76 - 88 * s,
        "re": 16 + 58 * np.clip(c, 0, 1),
        "le": 16 + 58 * np.clip(-c, 0, 1),
        "twist": 14 * s,
        **both(k=14.0, hf=10.0),
    }


def conduct(t: Floats, duration: float, style: Style) -> Pose:
    """Both forearms swing before the chest, four beats a bar, the first one down."""
    beat = _turn(t, 1.5 * style.rate)
    across, down = np.sin(beat / 2), np.abs(np.sin(beat))
    return {
        **both(f=58 - 30 * down * style.size, e=70 - 24 * down, w=-20.0),
        "ra": 16 + 22 * across,
        "la": 16 + 22 * across,
        "nod": 6 * down,
    }
