"""What people do: a table of actions, with the movement of each (:mod:`world.moves`).

Many single frames are ambiguous on purpose: ``wave`` and ``point``, ``clap`` and ``pray``, ``squat`` and ``sit``,
``walk`` and ``march`` share poses; ``sit``/``stand``, ``lift``/``lower``, ``throw``/``catch``, ``push``/``pull`` differ
by the direction of time alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from world import drills, moves
from world.moves import Floats, Pose, Style


@dataclass(frozen=True)
class Action:
    """An action and what the planner and the questions need to know of it.

    move:    (t seconds since the start (n,), duration, style) -> pose channels that differ from rest.
    gerund:  "waving".
    weight:  how often it is planned.
    arms:    hands that must be free (0..2).
    speed:   ground speed in heights per second (0: stays in place); negative: backwards.
    profile: the person is seen more or less from the side.
    period:  seconds for one repetition if repetitions are countable, else 0.
    place:   where it may stand in a sequence: "any", "first", "last" or "only".
    prop:    object that the action needs.
    third:   "waves".
    """

    move: Callable[[Floats, float, Style], Pose]
    gerund: str
    weight: float = 1.0
    arms: int = 2
    speed: float = 0.0
    profile: bool = False
    period: float = 0.0
    place: str = "any"
    prop: str = ""
    third: str = ""


ACTIONS: dict[str, Action] = {
    "walk": Action(moves.walk, "walking", 3.0, 0, 0.62, True, third="walks"),
    "run": Action(moves.run, "running", 2.6, 1, 1.15, True, third="runs"),
    "march": Action(moves.march, "marching", 0.5, 1, third="marches"),
    "jump": Action(moves.jump, "jumping", 2.6, 1, period=0.95, third="jumps"),
    "hop": Action(moves.hop, "hopping", 0.4, 1, third="hops"),
    "squat": Action(moves.squat, "squatting", 1.8, 1, period=1.15, third="squats"),
    "sit": Action(moves.sit, "sitting down", 1.9, 0, place="last", prop="chair", third="sits down"),
    "stand": Action(moves.stand, "standing up", 0.9, 0, place="first", prop="chair", third="stands up"),
    "kick": Action(moves.kick, "kicking", 2.0, 0, profile=True, period=0.95, third="kicks"),
    "punch": Action(moves.punch, "punching", 1.0, 2, profile=True, period=1.0, third="punches"),
    "clap": Action(moves.clap, "clapping", 2.2, 2, third="claps"),
    "pray": Action(moves.pray, "praying", 0.4, 2, third="prays"),
    "wave": Action(moves.wave, "waving", 2.6, 1, third="waves"),
    "point": Action(moves.point, "pointing", 0.8, 1, third="points"),
    "salute": Action(moves.salute, "saluting", 0.3, 1, third="salutes"),
    "bow": Action(moves.bow, "bowing", 1.5, 0, period=1.3, third="bows"),
    "stretch": Action(moves.stretch, "stretching", 0.9, 2, third="stretches"),
    "dance": Action(moves.dance, "dancing", 2.4, 1, third="dances"),
    "spin": Action(moves.spin, "spinning", 1.0, 1, third="spins"),
    "exercise": Action(moves.exercise, "exercising", 1.3, 2, profile=True, period=1.0, third="exercises"),
    "crawl": Action(moves.crawl, "crawling", 0.7, 2, 0.38, True, third="crawls"),
    "push": Action(moves.push, "pushing", 0.5, 2, 0.42, True, place="only", prop="box", third="pushes"),
    "pull": Action(moves.pull, "pulling", 0.5, 2, -0.42, True, place="only", prop="box", third="pulls"),
    "throw": Action(moves.throw, "throwing", 1.6, 1, profile=True, place="last", prop="ball", third="throws"),
    "catch": Action(moves.catch, "catching", 0.8, 2, profile=True, place="last", prop="ball", third="catches"),
    "lift": Action(moves.lift, "lifting", 0.8, 2, profile=True, place="last", prop="box", third="lifts"),
    "lower": Action(moves.lower, "lowering", 0.5, 2, profile=True, place="first", prop="box", third="lowers"),
    "drink": Action(moves.drink, "drinking", 1.2, 1, prop="cup", third="drinks"),
    "read": Action(moves.read, "reading", 1.2, 2, prop="book", third="reads"),
    "play": Action(moves.play, "playing", 1.8, 2, prop="guitar", third="plays"),
    "juggle": Action(moves.juggle, "juggling", 0.4, 2, place="only", prop="balls", third="juggles"),
}
#: shown in worlds of actions only: the plans of the others (:func:`world.plan.make_plan`) hang on the order and number of ``ACTIONS``
DRILLS: dict[str, Action] = {
    "jack": Action(drills.jack, "jumping jacks", period=0.9, third="does jumping jacks"),
    "lunge": Action(drills.lunge, "lunging", arms=0, period=1.4, third="lunges"),
    "flap": Action(drills.flap, "flapping", third="flaps"),
    "swim": Action(drills.swim, "swimming", profile=True, third="swims"),
    "conduct": Action(drills.conduct, "conducting", third="conducts"),
}
KNOWN: dict[str, Action] = {**ACTIONS, **DRILLS}
#: not an action: what somebody does who only stands by
IDLE = Action(moves.stay, "standing", 0.0, 0)
