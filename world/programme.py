"""Long videos: several drawn scenes cut together, as a television programme is. Plain data, a function of (seed, index).

A programme has a theme, a place and some actions that go together. Its main shots show the theme; between them are short inserts
of anything else. Whoever looks at a few frames sees the theme and misses inserts and short actions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from world.actions import ACTIONS
from world.plan import AROUND, HELD, RATE, SCENE_WEIGHTS, SCENES, Plan, make_plan, pick

#: A step of the features is every third picture: a quarter of a second, which stands for one of the second steps of real videos.
STRIDE = 3
STEP_SECONDS = STRIDE / RATE
THEMES = 40
#: How much more often the actions of a programme are done in its main shots.
LIKING = 400.0
#: Plans of programmes are numbered from here: they are not those of the short videos.
FIRST_PLAN, SHOTS_AT_MOST = 1_000_000, 16


@dataclass(frozen=True)
class Shot:
    """The pictures ``first``, ``first + STRIDE``, ... of a plan, ``steps`` of them. ``main``: it shows the theme."""

    plan: Plan
    first: int
    steps: int
    main: bool

    @property
    def pictures(self) -> range:
        """Numbers of the plan's pictures that are shown."""
        return range(self.first, self.first + STRIDE * self.steps, STRIDE)

    @property
    def interval(self) -> tuple[float, float]:
        """Begin and end in seconds of the plan's time."""
        return self.first / RATE, (self.first + STRIDE * self.steps) / RATE


@dataclass(frozen=True)
class Programme:
    """One long video: its shots in order."""

    index: int
    theme: int
    shots: tuple[Shot, ...]

    @property
    def steps(self) -> int:
        """Number of feature frames."""
        return sum(shot.steps for shot in self.shots)


@dataclass(frozen=True)
class Theme:
    """What goes together: two places, the first more often, four actions, two things."""

    scenes: tuple[str, ...]
    actions: tuple[str, ...]
    things: tuple[str, ...]


def themes() -> list[Theme]:
    """The themes, the same in every world."""
    rng = np.random.default_rng(8)
    weights = np.array([action.weight for action in ACTIONS.values()])
    found = []
    for _ in range(THEMES):
        scenes = rng.choice(SCENES, 2, replace=False, p=np.array(SCENE_WEIGHTS) / sum(SCENE_WEIGHTS))
        actions = rng.choice(list(ACTIONS), 4, replace=False, p=weights / weights.sum())
        things = rng.choice(sorted({*HELD, *AROUND}), 2, replace=False)
        found.append(Theme(*(tuple(map(str, names)) for names in (scenes, actions, things))))
    return found


THEME = themes()
#: The second theme is half as frequent as the first, the third a third: a long tail.
THEME_WEIGHTS = tuple(1 / (n + 1) for n in range(THEMES))


def make_programme(seed: int, index: int) -> Programme:
    """The programme ``index`` of the world ``seed``: 3 to 5 main shots, 2 to 4 inserts."""
    rng = np.random.default_rng([seed, index, 88])
    number = int(rng.choice(THEMES, p=np.array(THEME_WEIGHTS) / sum(THEME_WEIGHTS)))
    theme, night = THEME[number], bool(rng.random() < 0.3)
    kinds = [True] * int(rng.integers(3, 6)) + [False] * int(rng.integers(2, 5))
    rng.shuffle(kinds)
    liked = [str(name) for name in rng.choice(theme.actions, 2, replace=False)]
    textures = {scene: int(rng.integers(1 << 31)) for scene in theme.scenes}
    shots = []
    for place, main in enumerate(kinds):
        number_of_plan = FIRST_PLAN + SHOTS_AT_MOST * index + place
        plan = make_plan(seed, number_of_plan, dict.fromkeys(liked, LIKING), 2) if main else make_plan(seed, number_of_plan, most=1)
        if main:
            plan.scene, plan.night = pick(rng, theme.scenes, (4, 1)), night
            plan.texture = textures[plan.scene]  # the same place whenever it is shown
        _clear(plan, theme.things if main else ())
        most = (plan.frames - 1) // STRIDE + 1
        steps = min(most, int(rng.integers(12, 23)) if main else int(rng.integers(3, 6)))
        shots.append(Shot(plan, STRIDE * int(rng.integers(0, most - steps + 1)), steps, main))
    return Programme(index, number, tuple(shots))


def _clear(plan: Plan, keep: tuple[str, ...]) -> None:
    """Leave away what is held or stands about for no reason, except ``keep``."""
    plan.things = [thing for thing in plan.things if thing.name in keep]
    for actor in plan.actors:
        if not actor.prop and actor.holds not in keep:
            actor.holds = actor.holds_colour = ""
