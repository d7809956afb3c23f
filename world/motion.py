"""From a plan to moving joints: the actor's segments blended into one pose per frame, and where the actor stands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from world.actions import IDLE, KNOWN
from world.body import BUILDS, CHANNELS, REST, Floats, solve
from world.moves import Style, smooth
from world.plan import RATE, Actor

#: seconds over which one action passes into the next
BLEND = 0.24
#: how much nearer points lie lower in the picture (a camera slightly above)
TILT = 0.16
#: poses that a held thing forces on the arm that holds it
HOLDING: dict[str, dict[str, float]] = {
    "umbrella": {"f": 34, "a": 10, "e": 92, "w": 10},
    "cup": {"f": 20, "a": 10, "e": 82, "w": 10},
    "ball": {"f": 8, "a": 16, "e": 70, "w": 20},
    "balloon": {"f": 26, "a": 16, "e": 70, "w": 0},
    "flower": {"f": 30, "a": 8, "e": 84, "w": 14},
    "bag": {"f": 2, "a": 12, "e": 6, "w": 0},
    "flag": {"f": 36, "a": 22, "e": 70, "w": -8},
    "sword": {"f": 24, "a": 22, "e": 66, "w": -6},
}
BOTH: dict[str, dict[str, float]] = {
    "book": {"rf": 30, "lf": 30, "ra": 0, "la": 0, "re": 84, "le": 84, "rw": 16, "lw": 16},
    "guitar": {"rf": 14, "ra": 20, "re": 88, "rw": 58, "lf": 32, "la": 28, "le": 76, "lw": 0},
}


@dataclass
class Moving:
    """An actor in motion. ``joints``: name -> (T, 3) in heights; ``x``: (T,) world pixels."""

    actor: Actor
    joints: dict[str, Floats]
    x: Floats

    def flat(self, name: str) -> Floats:
        """A joint in world pixels (T, 2)."""
        return self.project(self.joints[name])

    def project(self, points: Floats) -> Floats:
        """Body points (..., 3) in heights, time first, to world pixels (..., 2)."""
        h = self.size
        shift = self.x.reshape(-1, *([1] * (points.ndim - 2)))
        return np.stack([shift + h * points[..., 0], self.actor.y - h * points[..., 1] + TILT * h * points[..., 2]], -1)

    @property
    def size(self) -> float:
        """Height of the upright person in world pixels."""
        return self.actor.height * BUILDS[self.actor.kind].height


def holding_hand(actor: Actor) -> str:
    """``"l"`` or ``"r"``: the hand with the held thing, the other than the one that leads the actions."""
    return "l" if actor.segments[0].hand == "r" else "r"


def move(actor: Actor, frames: int) -> Moving:
    """Blend the actor's segments into joints for every frame."""
    t = np.arange(frames) / RATE
    total = np.zeros(frames)
    pose = {name: np.zeros(frames) for name in CHANNELS}
    turn, x, yaw = np.zeros(frames), np.full(frames, actor.x), np.zeros(frames)
    free = holding_hand(actor)
    for segment in actor.segments:
        action = KNOWN.get(segment.action, IDLE)
        duration = segment.end - segment.start
        local = np.clip(t - segment.start, 0, duration)
        hand = segment.hand if actor.holds == "" or action.prop else ("l" if free == "r" else "r")
        if action.prop == "cup":
            hand = free
        style = Style(segment.rate, segment.size, hand, segment.reps)
        angles = action.move(local + (actor.phase if segment.action in ("idle", "dance", "walk") else 0.0), duration, style)
        weight = smooth((t - segment.start) / BLEND + 0.5) * smooth((segment.end - t) / BLEND + 0.5) + 1e-9
        total += weight
        for name in CHANNELS:
            pose[name] += weight * angles.get(name, REST.get(name, 0.0))
        yaw += weight * segment.heading
        if segment.action == "spin":
            turn += 360.0 * segment.reps * smooth(local / duration)
        x = x + segment.travel * (local / duration)
    pose = {name: value / total for name, value in pose.items()}
    _hold(actor, pose, free)
    yaw = yaw / total + turn
    return Moving(actor, solve(pose, yaw, BUILDS[actor.kind]), x)


def _hold(actor: Actor, pose: dict[str, Floats], hand: str) -> None:
    held = actor.holds
    acting = {KNOWN[s.action].prop for s in actor.segments if s.action in KNOWN}
    if held in HOLDING and held not in acting:
        for channel, angle in HOLDING[held].items():
            pose[hand + channel] = 0.12 * pose[hand + channel] + 0.88 * angle
    if held in BOTH and held not in acting:
        for channel, angle in BOTH[held].items():
            pose[channel] = 0.1 * pose[channel] + 0.9 * angle
