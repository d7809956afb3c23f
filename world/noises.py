"""Kinds of sounds that one can tell from another: what each is like, how often its events come, and what family it is of.

A kind is made of a :class:`Cue`: when its events happen, how high it is, and the generator of the rest. So steps can follow the legs of
somebody who is seen, and the same steps fill a recording of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from world.synthesis import AH, EE, OO, Floats, Samples, clock, noise, notes, strokes, swells, voice

#: steps of a scale, as ratios
SCALE = (1.0, 9 / 8, 5 / 4, 3 / 2, 5 / 3, 2.0)


@dataclass(frozen=True)
class Cue:
    """times: seconds of the events; pitch: a factor on all that has one; n samples at ``rate``."""

    times: Floats
    pitch: float
    n: int
    rate: int
    rng: np.random.Generator

    def noise(self, low: float, high: float) -> Samples:
        """Noise between two frequencies."""
        return noise(self.rng, self.n, self.rate, low, high)

    def melody(self, hertz: float) -> Floats:
        """A pitch for each event, from a scale on ``hertz``."""
        return hertz * self.pitch * self.rng.choice(SCALE, size=max(1, len(self.times)))

    @property
    def seconds(self) -> float:
        return self.n / self.rate


@dataclass(frozen=True)
class Kind:
    """make: cue -> samples (N,), their level is not set yet; period: seconds from event to event; family: what it belongs to."""

    make: Callable[[Cue], Samples]
    period: float
    family: str


def strings(cue: Cue) -> Samples:
    """A chord is plucked at each event."""
    root, chord = cue.melody(147), _none(cue)
    tones = ((1.0, 1.0), (2.0, 0.6), (3.0, 0.4), (4.0, 0.22))
    for number, ratio in enumerate((1, 5 / 4, 3 / 2)):
        chord = chord + notes(cue.n, cue.rate, cue.times + 0.012 * number, ratio * root, 0.4, tones)
    return chord


def singing(cue: Cue) -> Samples:
    """A sung tone, another pitch from each event on, with vibrato."""
    t = clock(cue.n, cue.rate)
    pitch = _held(cue, cue.melody(250)) * (1 + 0.018 * np.sin(2 * np.pi * 5.4 * t))
    return voice(cue.rate, pitch, AH) * (0.25 + swells(cue.n, cue.rate, cue.times + 0.2, 0.16))


def drum(cue: Cue) -> Samples:
    """A skin is struck: a low note that falls, and a slap."""
    skin = notes(cue.n, cue.rate, cue.times, [88 * cue.pitch, 88 * cue.pitch, 132 * cue.pitch], 0.11, ((1.0, 1.0), (1.6, 0.4)), bend=0.5)
    return skin + 0.7 * cue.noise(180, 1200) * strokes(cue.n, cue.rate, cue.times, 0.03)


def bells(cue: Cue) -> Samples:
    """Metal bars: high, inharmonic, long."""
    return notes(cue.n, cue.rate, cue.times, cue.melody(760), 0.32, ((1.0, 1.0), (2.76, 0.45), (5.4, 0.2)))


def clapping(cue: Cue) -> Samples:
    """Hands: a click with a breath of a room."""
    return cue.noise(900, 4500) * (strokes(cue.n, cue.rate, cue.times, 0.012) + 0.15 * strokes(cue.n, cue.rate, cue.times, 0.08))


def gravel(cue: Cue) -> Samples:
    """Each step is a dozen grains within a seventh of a second."""
    grains = (cue.times[:, None] + cue.rng.uniform(0, 0.14, (len(cue.times), 12))).ravel()
    return cue.noise(1600, 6500) * strokes(cue.n, cue.rate, grains, 0.006)


def snow(cue: Cue) -> Samples:
    """Each step is pressed down slowly and creaks."""
    pressed = swells(cue.n, cue.rate, cue.times + 0.1, 0.05)
    return cue.noise(250, 1500) * pressed + 0.12 * notes(cue.n, cue.rate, cue.times + 0.1, [620 * cue.pitch], 0.05, ((1, 1), (1.9, 0.6)))


def whip(cue: Cue) -> Samples:
    """A rope swishes by and ticks on the ground."""
    swish = cue.noise(2200, 6800) * swells(cue.n, cue.rate, cue.times, 0.06)
    return swish + 0.8 * cue.noise(700, 2500) * strokes(cue.n, cue.rate, cue.times + 0.1, 0.01)


def boing(cue: Cue) -> Samples:
    """A spring: a note that wobbles while it dies away."""
    t = clock(cue.n, cue.rate)
    spring = notes(cue.n, cue.rate, cue.times, [170 * cue.pitch], 0.28, ((1.0, 1.0), (2.3, 0.5), (3.6, 0.25)), bend=-0.4)
    return spring * (0.65 + 0.35 * np.sin(2 * np.pi * 17 * t))


def scrape(cue: Cue) -> Samples:
    """Something heavy is dragged: rough all the time, louder with each pull."""
    t = clock(cue.n, cue.rate)
    rough = 0.6 + 0.4 * np.sign(np.sin(2 * np.pi * 41 * cue.pitch * t))
    return cue.noise(180, 2600) * rough * (0.35 + 0.65 * swells(cue.n, cue.rate, cue.times, 0.13))


def squeak(cue: Cue) -> Samples:
    """Wheels: a rumble, and an axle that sings at each turn."""
    axle = notes(cue.n, cue.rate, cue.times, [1750 * cue.pitch, 1480 * cue.pitch], 0.12, ((1.0, 1.0), (2.0, 0.3)), bend=-0.15)
    return 0.5 * axle + 0.5 * cue.noise(40, 260)


def cheering(cue: Cue) -> Samples:
    """A crowd that swells, and whistles in it."""
    whistles = notes(cue.n, cue.rate, cue.times + 0.3, [2300 * cue.pitch, 2700 * cue.pitch], 0.14, bend=-0.2)
    return cue.noise(350, 3200) * (0.6 + 0.4 * swells(cue.n, cue.rate, cue.times, 0.4)) + 0.12 * whistles


def clang(cue: Cue) -> Samples:
    """Blades meet."""
    return notes(cue.n, cue.rate, cue.times, [1350 * cue.pitch, 1520 * cue.pitch], 0.16, ((1, 1), (1.47, 0.8), (2.09, 0.6), (2.56, 0.5)))


def barking(cue: Cue) -> Samples:
    """Two barks at each event, hoarse and falling."""
    times = np.concatenate([cue.times, cue.times + 0.24])
    throat = notes(cue.n, cue.rate, times, [430 * cue.pitch], 0.07, tuple((k, 1 / k**0.5) for k in range(1, 7)), bend=0.35)
    return throat + 0.6 * cue.noise(500, 2200) * strokes(cue.n, cue.rate, times, 0.06, 0.012)


def panting(cue: Cue) -> Samples:
    """Breath out, and shorter in."""
    out, back = swells(cue.n, cue.rate, cue.times, 0.07), swells(cue.n, cue.rate, cue.times + 0.24, 0.045)
    return cue.noise(500, 2200) * out + 0.6 * cue.noise(1500, 4200) * back


def laughing(cue: Cue) -> Samples:
    """Five short vowels at each event, lower and lower."""
    times = (cue.times[:, None] + 0.19 * np.arange(5)).ravel()
    pitch = _held(Cue(np.sort(times), cue.pitch, cue.n, cue.rate, cue.rng), np.tile(310 * cue.pitch * 0.93 ** np.arange(5), len(cue.times)))
    return voice(cue.rate, pitch, AH) * swells(cue.n, cue.rate, times + 0.06, 0.038)


def speech(cue: Cue) -> Samples:
    """Syllables of three vowels around one pitch."""
    pitch = _held(cue, 150 * cue.pitch * cue.rng.uniform(0.9, 1.12, max(1, len(cue.times))))
    turns = cue.rng.integers(3, size=len(cue.times))
    said = _none(cue)
    for number, vowel in enumerate((AH, OO, EE)):
        said = said + voice(cue.rate, pitch, vowel) * swells(cue.n, cue.rate, cue.times[turns == number], 0.05)
    return said + 0.25 * cue.noise(3000, 6500) * swells(cue.n, cue.rate, cue.times[::3] - 0.09, 0.025)


def gulp(cue: Cue) -> Samples:
    """A short low note that rises, and a drop after it."""
    throat = notes(cue.n, cue.rate, cue.times, [190 * cue.pitch], 0.06, ((1, 1), (2, 0.5)), bend=-0.5)
    return throat + 0.5 * notes(cue.n, cue.rate, cue.times + 0.16, [820 * cue.pitch], 0.03, bend=-0.4)


def rain(cue: Cue) -> Samples:
    """Hiss, and drops all over it."""
    drops = np.sort(cue.rng.uniform(0, cue.seconds, int(90 * cue.seconds)))
    return 0.5 * cue.noise(900, 7500) + cue.noise(2000, 7000) * strokes(cue.n, cue.rate, drops, 0.004)


def engine(cue: Cue) -> Samples:
    """Firing at some thirty strokes a second."""
    t = clock(cue.n, cue.rate)
    turn = 2 * np.pi * 31 * cue.pitch * (t + 0.01 * np.sin(2 * np.pi * 0.4 * t))
    return np.asarray(sum(np.sin(k * turn) / k for k in range(1, 9)), np.float32) * 0.5 + 0.5 * cue.noise(60, 420)


def siren(cue: Cue) -> Samples:
    """A tone that goes up and down."""
    t = clock(cue.n, cue.rate)
    pitch = 780 * cue.pitch * (1 + 0.35 * np.sin(2 * np.pi * t / 1.8))
    phase = 2 * np.pi * np.cumsum(pitch, dtype=np.float64) / cue.rate
    return (np.sin(phase) + 0.3 * np.sin(3 * phase)).astype(np.float32)


def ticking(cue: Cue) -> Samples:
    """A clockwork: tick and tock."""
    tock = notes(cue.n, cue.rate, cue.times[::2], [1900 * cue.pitch], 0.008)
    return cue.noise(2500, 7000) * strokes(cue.n, cue.rate, cue.times, 0.004) + tock


def crickets(cue: Cue) -> Samples:
    """Chirps of a high tone."""
    chirps = (cue.times[:, None] + 0.035 * np.arange(4)).ravel()
    return notes(cue.n, cue.rate, chirps, [4300 * cue.pitch], 0.01)


def surf(cue: Cue) -> Samples:
    """Waves that come in and run out."""
    return cue.noise(120, 4500) * (0.2 + 0.8 * swells(cue.n, cue.rate, cue.times, 0.55))


def _none(cue: Cue) -> Samples:
    return np.zeros(cue.n, np.float32)


def _held(cue: Cue, values: Floats) -> Samples:
    """The value of the last event, at each sample; before the first, that of the first."""
    if not len(cue.times):
        return np.full(cue.n, values[0], np.float32)
    number = np.clip(np.searchsorted(np.sort(cue.times), clock(cue.n, cue.rate), side="right") - 1, 0, len(values) - 1)
    return np.asarray(values, np.float32)[number]


KINDS: dict[str, Kind] = {
    "strings": Kind(strings, 0.6, "music"),
    "singing": Kind(singing, 0.55, "music"),
    "drum": Kind(drum, 0.36, "music"),
    "bells": Kind(bells, 0.34, "music"),
    "clapping": Kind(clapping, 0.42, "people"),
    "gravel": Kind(gravel, 0.5, "steps"),
    "snow": Kind(snow, 0.55, "steps"),
    "whip": Kind(whip, 0.8, "things"),
    "boing": Kind(boing, 0.9, "things"),
    "scrape": Kind(scrape, 0.5, "things"),
    "squeak": Kind(squeak, 0.5, "things"),
    "cheering": Kind(cheering, 1.1, "people"),
    "clang": Kind(clang, 0.8, "things"),
    "barking": Kind(barking, 0.9, "animals"),
    "panting": Kind(panting, 0.5, "people"),
    "laughing": Kind(laughing, 1.3, "people"),
    "speech": Kind(speech, 0.23, "people"),
    "gulp": Kind(gulp, 0.9, "people"),
    "rain": Kind(rain, 1.0, "weather"),
    "engine": Kind(engine, 1.0, "machines"),
    "siren": Kind(siren, 1.0, "machines"),
    "ticking": Kind(ticking, 0.5, "machines"),
    "crickets": Kind(crickets, 0.4, "animals"),
    "surf": Kind(surf, 1.9, "weather"),
}


def make(kind: str, cue: Cue) -> Samples:
    """The sound of a kind (N,), at a peak of 1."""
    wave = KINDS[kind].make(cue)
    return (wave / max(float(np.abs(wave).max()), 1e-4)).astype(np.float32)
