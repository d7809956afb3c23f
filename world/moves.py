"""How people move: each function gives the joint angles of :mod:`world.body` that differ from rest, over time.

It takes t, seconds since the start (n,), the duration and the :class:`Style`, and returns channel -> degrees (n,), or one number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from world.body import REST, Floats

Pose = dict[str, Floats | float]


@dataclass(frozen=True)
class Style:
    """How one person does one action: ``rate`` (1 = normal), ``size`` of the movement, leading ``hand`` (``"l"``/``"r"``), ``reps``."""

    rate: float = 1.0
    size: float = 1.0
    hand: str = "r"
    reps: int = 1


def both(**channels: Floats | float) -> Pose:
    """The same for the right and the left limb."""
    return {side + name: value for name, value in channels.items() for side in "rl"}


def smooth(x: Floats) -> Floats:
    """0 -> 1 with flat ends (cubic smoothstep, clipped)."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3 - 2 * x)


def _other(hand: str) -> str:
    return "l" if hand == "r" else "r"


def _cycle(t: Floats, hertz: float) -> Floats:
    return 2 * np.pi * hertz * t


def _rep(t: Floats, duration: float, style: Style) -> Floats:
    """Phase 0..1 inside the current repetition; stays at 1 after the last."""
    x = np.clip(t / duration, 0, 1) * style.reps
    return np.where(x >= style.reps, 1.0, x % 1.0)


def _steps(phase: Floats, hip: float, knee: float, arm: float, elbow: float) -> Pose:
    """Legs and arms of a gait: ``hip`` and ``arm`` swing amplitudes, ``knee`` lift in the forward swing."""
    s, c = np.sin(phase), np.cos(phase)
    return {
        "rhf": hip * s + 0.15 * hip,
        "lhf": -hip * s + 0.15 * hip,
        "rk": 6 + knee * np.clip(c, 0, 1),
        "lk": 6 + knee * np.clip(-c, 0, 1),
        "rf": -arm * s,
        "lf": arm * s,
        **both(e=elbow, a=7.0),
    }


def stay(t: Floats, duration: float, style: Style) -> Pose:
    sway = np.sin(_cycle(t, 0.35 * style.rate))
    return {"lean": 1.5 * sway, "side": 1.5 * sway, "rf": 3 * sway, "lf": -3 * sway, "look": 12 * sway}


def walk(t: Floats, duration: float, style: Style) -> Pose:
    phase = _cycle(t, 1.0 * style.rate)
    return {**_steps(phase, 27 * style.size, 42, 24 * style.size, 14), "lean": 3.0, "lift": 0.008 * np.abs(np.cos(phase))}


def run(t: Floats, duration: float, style: Style) -> Pose:
    phase = _cycle(t, 1.7 * style.rate)
    return {**_steps(phase, 46 * style.size, 92, 48 * style.size, 88), "lean": 14.0, "lift": 0.05 * np.abs(np.cos(phase))}


def march(t: Floats, duration: float, style: Style) -> Pose:
    s = np.sin(_cycle(t, 1.0 * style.rate))
    right, left = np.clip(s, 0, 1), np.clip(-s, 0, 1)
    return {
        "rhf": 82 * right * style.size,
        "rk": 88 * right * style.size,
        "lhf": 82 * left * style.size,
        "lk": 88 * left * style.size,
        "rf": -38 * s,
        "lf": 38 * s,
        **both(e=20.0),
    }


def jump(t: Floats, duration: float, style: Style) -> Pose:
    p = _rep(t, duration, style)
    crouch = np.exp(-(((p - 0.22) / 0.12) ** 2)) + 0.8 * np.exp(-(((p - 0.83) / 0.09) ** 2))
    u = np.clip((p - 0.32) / 0.46, 0, 1)
    flight = 4 * u * (1 - u)
    return {"lift": 0.2 * style.size * flight, "lean": 26 * crouch, **both(hf=52 * crouch, k=78 * crouch, f=140 * flight - 30 * crouch)}


def hop(t: Floats, duration: float, style: Style) -> Pose:
    h, phase = style.hand, _cycle(t, 0.9 * style.rate)
    up = np.abs(np.sin(phase))
    bend = (1 - up) ** 2
    return {
        h + "hf": 35.0,
        h + "k": 95.0,
        "lift": 0.09 * style.size * up,
        **both(a=35 + 20 * up),
        _other(h) + "hf": 22 * bend,
        _other(h) + "k": 40 * bend,
        "lean": 6.0,
    }


def squat(t: Floats, duration: float, style: Style) -> Pose:
    s = (0.5 - 0.5 * np.cos(2 * np.pi * _rep(t, duration, style))) ** 0.8
    s = s * min(style.size, 1.05)
    return {**both(hf=98 * s, k=112 * s, f=84 * s, ha=4 + 8 * s), "lean": 30 * s}


def _seated(s: Floats) -> Pose:
    return both(hf=86 * s, k=86 * s, f=28 * s, e=12 + 40 * s)


def sit(t: Floats, duration: float, style: Style) -> Pose:
    s = smooth(t / (0.8 / style.rate))
    return {**_seated(s), "lean": 34 * np.sin(np.pi * s) + 2 * s}


def stand(t: Floats, duration: float, style: Style) -> Pose:
    s = 1 - smooth((t - 0.35 * duration) / (0.8 / style.rate))
    return {**_seated(s), "lean": 34 * np.sin(np.pi * s) + 2 * s}


def kick(t: Floats, duration: float, style: Style) -> Pose:
    h, p = style.hand, _rep(t, duration, style)
    back = np.exp(-(((p - 0.25) / 0.12) ** 2))
    out = np.exp(-(((p - 0.52) / 0.11) ** 2))
    return {
        h + "hf": 82 * out * style.size - 32 * back,
        h + "k": 70 * back + 4,
        "lean": -10 * out + 8 * back,
        **both(a=12 + 32 * out),
        _other(h) + "f": 40 * out,
        _other(h) + "k": 10.0,
    }


def punch(t: Floats, duration: float, style: Style) -> Pose:
    p = _rep(t, duration, style) * 2
    hit = [np.exp(-(((p - centre) / 0.17) ** 2)) for centre in (0.5, 1.5)]
    h, o = style.hand, _other(style.hand)
    return {
        h + "f": 45 + 45 * hit[0],
        h + "e": 118 - 112 * hit[0],
        o + "f": 45 + 45 * hit[1],
        o + "e": 118 - 112 * hit[1],
        h + "hf": -14.0,
        o + "hf": 18.0,
        **both(k=16.0),
        "lean": 8.0,
        "twist": (22 * hit[0] - 22 * hit[1]) * (1 if h == "r" else -1),
    }


def clap(t: Floats, duration: float, style: Style) -> Pose:
    gap = 0.5 + 0.5 * np.cos(_cycle(t, 2.2 * style.rate))
    a = -16 + 40 * gap * style.size
    return both(f=52.0, a=a, e=62.0, w=22.0)


def pray(t: Floats, duration: float, style: Style) -> Pose:
    s = np.sin(_cycle(t, 0.3))
    return {**both(f=36.0, a=-16.0, e=100 + 3 * s, w=20.0), "nod": 18 + 4 * s}


def wave(t: Floats, duration: float, style: Style) -> Pose:
    s = np.sin(_cycle(t, 1.6 * style.rate))
    h = style.hand
    return {h + "a": 88 + 6 * s, h + "f": 8.0, h + "e": 72 + 44 * s * style.size, h + "w": -88.0, "side": 3 * s}


def point(t: Floats, duration: float, style: Style) -> Pose:
    s = np.sin(_cycle(t, 0.25))
    h = style.hand
    return {h + "a": 78.0, h + "f": 38 + 6 * s, h + "e": 6.0, "look": 26.0 if h == "l" else -26.0}


def salute(t: Floats, duration: float, style: Style) -> Pose:
    up = smooth(t / 0.5) * smooth((duration - t) / 0.4)
    h = style.hand
    return {h + "a": 9 + 66 * up, h + "f": 14 * up, h + "e": 12 + 118 * up, h + "w": -76 * up}


def bow(t: Floats, duration: float, style: Style) -> Pose:
    s = smooth(1.25 * (0.5 - 0.5 * np.cos(2 * np.pi * _rep(t, duration, style))))
    return {"lean": 66 * s * style.size, "nod": 14 * s, **both(f=10 * s, hf=-7 * s)}


def stretch(t: Floats, duration: float, style: Style) -> Pose:
    s = np.sin(_cycle(t, 0.42 * style.rate))
    return {**both(f=172.0, a=12.0, e=10.0, ha=9.0), "side": 26 * s * style.size}


def dance(t: Floats, duration: float, style: Style) -> Pose:
    a, b = np.sin(_cycle(t, 1.0 * style.rate)), np.sin(_cycle(t, 2.0 * style.rate))
    up = 0.5 + 0.5 * a
    return {
        "twist": 24 * a,
        "side": 12 * a,
        "lift": 0.02 * np.abs(b),
        "rf": 30 + 120 * up,
        "lf": 150 - 120 * up,
        **both(a=32.0, ha=10.0),
        "re": 55 + 25 * b,
        "le": 55 - 25 * b,
        "rhf": 22 * np.clip(a, 0, 1),
        "rk": 45 * np.clip(a, 0, 1) + 8,
        "lhf": 22 * np.clip(-a, 0, 1),
        "lk": 45 * np.clip(-a, 0, 1) + 8,
        "look": 16 * b,
    }


def spin(t: Floats, duration: float, style: Style) -> Pose:
    out = smooth(t / 0.35) * smooth((duration - t) / 0.35)
    return {**both(a=9 + 62 * out, e=14.0), "lift": 0.012 * np.abs(np.sin(_cycle(t, 1.5)))}


def exercise(t: Floats, duration: float, style: Style) -> Pose:
    s = 0.5 - 0.5 * np.cos(2 * np.pi * _rep(t, duration, style))
    return {"pitch": 64 + 13 * s, **both(f=88 - 80 * s, e=4 + 92 * s, a=14.0), "nod": -22.0}


def crawl(t: Floats, duration: float, style: Style) -> Pose:
    s = np.sin(_cycle(t, 1.0 * style.rate))
    return {
        "pitch": 80.0,
        "rhf": 82 + 20 * s,
        "lhf": 82 - 20 * s,
        **both(k=88.0, e=6.0),
        "rf": 84 - 20 * s,
        "lf": 84 + 20 * s,
        "nod": -34.0,
    }


def push(t: Floats, duration: float, style: Style) -> Pose:
    gait = _steps(_cycle(t, 0.85 * style.rate), 24, 34, 0, 0)
    return {**gait, "lean": 24.0, **both(f=62.0, e=22.0, a=4.0)}


def pull(t: Floats, duration: float, style: Style) -> Pose:
    gait = _steps(-_cycle(t, 0.85 * style.rate), 24, 34, 0, 0)
    return {**gait, "lean": 8.0, **both(f=62.0, e=18.0, a=4.0)}


def throw(t: Floats, duration: float, style: Style) -> Pose:
    h = style.hand
    p = np.clip(t / duration, 0, 1)
    back = smooth(p / 0.4) * (1 - smooth((p - 0.42) / 0.12))
    out = smooth((p - 0.42) / 0.12) * (1 - smooth((p - 0.62) / 0.3))
    return {
        h + "f": 16 + 108 * back + 76 * out,
        h + "e": 30 + 72 * back - 24 * out,
        h + "a": 9 + 16 * back,
        "lean": -12 * back + 18 * out,
        "twist": (18 * back - 20 * out) * (1 if h == "l" else -1),
        _other(h) + "f": 42 * back,
        h + "hf": -16 * back,
        _other(h) + "hf": 22 * out,
    }


def catch(t: Floats, duration: float, style: Style) -> Pose:
    p = np.clip(t / duration, 0, 1)
    reach = smooth(p / 0.3) * (1 - smooth((p - 0.5) / 0.14))
    hold = smooth((p - 0.5) / 0.14)
    return {
        **both(f=16 + 66 * reach + 16 * hold, e=24 - 10 * reach + 66 * hold, a=2.0, k=20 * reach, hf=12 * reach),
        "lean": 9 * reach - 3 * hold,
    }


def _carry(s: Floats) -> Pose:
    """``s`` = 0: hands on a box on the floor; 1: upright with the box before the chest."""
    d = 1 - s
    return {**both(hf=62 * d, k=82 * d, f=30 + 32 * d, e=66 - 58 * d, a=3.0), "lean": 52 * d}


def lift(t: Floats, duration: float, style: Style) -> Pose:
    p = np.clip(t / duration, 0, 1)
    down = smooth(p / 0.3)
    return _mix(_carry(smooth((p - 0.42) / 0.35)), down)


def lower(t: Floats, duration: float, style: Style) -> Pose:
    p = np.clip(t / duration, 0, 1)
    return _mix(_carry(1 - smooth((p - 0.23) / 0.35)), smooth((1 - p) / 0.3))


def _mix(pose: Pose, weight: Floats) -> Pose:
    return {k: REST.get(k, 0.0) * (1 - weight) + v * weight for k, v in pose.items()}


def drink(t: Floats, duration: float, style: Style) -> Pose:
    s = smooth(1.5 * np.sin(_cycle(t, 0.42 * style.rate)) ** 2)
    h = style.hand
    return {h + "f": 30 + 34 * s, h + "e": 74 + 62 * s, h + "a": 8 - 8 * s, h + "w": 18.0, "nod": -10 * s}


def read(t: Floats, duration: float, style: Style) -> Pose:
    s = np.sin(_cycle(t, 0.5))
    return {**both(f=36.0, a=-4.0, e=84.0, w=12.0), "nod": 22.0, "look": 10 * s}


def play(t: Floats, duration: float, style: Style) -> Pose:
    s = np.sin(_cycle(t, 1.7 * style.rate))
    return {
        "rf": 14.0,
        "ra": 22.0,
        "re": 86 + 20 * s,
        "rw": 58.0,
        "lf": 32.0,
        "la": 30.0,
        "le": 78.0,
        "lw": 0.0,
        "nod": 10 + 5 * s,
        "side": 3 * s,
        "rk": 8 + 6 * s,
        "lk": 8.0,
    }


def juggle(t: Floats, duration: float, style: Style) -> Pose:
    s = np.sin(_cycle(t, 1.2 * style.rate))
    return {"rf": 26 + 12 * s, "lf": 26 - 12 * s, "re": 78 + 16 * s, "le": 78 - 16 * s, **both(a=10.0), "nod": -12.0}
