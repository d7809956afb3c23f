"""What is heard: the hum of the place, steps, claps, landings, strums and music that follow the actions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from world.plan import AUDIO_RATE, Plan, Segment

Samples = npt.NDArray[np.float32]
LOOP = 1 << 15

#: what an action sounds like -> the actions
HEARD: dict[str, tuple[str, ...]] = {
    "steps": ("walk", "march", "push", "pull", "hop"),
    "fast steps": ("run",),
    "clapping": ("clap",),
    "thump": ("jump", "catch", "lower", "juggle"),
    "breath": ("squat", "exercise", "stretch", "lift"),
    "whoosh": ("kick", "punch", "throw", "spin"),
    "music": ("dance",),
    "guitar": ("play",),
    "creak": ("sit", "stand"),
    "rustle": ("read", "crawl"),
    "gulp": ("drink",),
}
SOUNDS: dict[str, str] = {action: sound for sound, actions in HEARD.items() for action in actions}
AMBIENCE: dict[str, str] = {
    "street": "traffic",
    "park": "birds",
    "beach": "waves",
    "kitchen": "hum",
    "bedroom": "clock",
    "stage": "crowd",
    "mountain": "wind",
    "classroom": "murmur",
    "desert": "wind",
}


def _coloured(rng: np.random.Generator, n: int, low: float, high: float) -> Samples:
    """``n`` samples of noise between two frequencies in Hz, peak about 1; it repeats every two seconds (the FFT's length)."""
    spectrum = np.fft.rfft(rng.standard_normal(LOOP))
    f = np.fft.rfftfreq(LOOP, 1 / AUDIO_RATE)
    spectrum *= (f > low) & (f < high)
    wave = np.fft.irfft(spectrum, LOOP)
    return np.resize((wave / (np.abs(wave).max() + 1e-9)).astype(np.float32), n)


def _tone(t: Samples, hertz: float) -> Samples:
    return np.sin(2 * np.pi * hertz * t, dtype=np.float32)


def ambience(name: str, rng: np.random.Generator, n: int) -> Samples:
    """``n`` samples of the sound of a place."""
    t = np.arange(n, dtype=np.float32) / AUDIO_RATE
    phase = float(rng.uniform(0, 6))
    if name == "traffic":
        horn = (_tone(t, 392) + _tone(t, 494)) * (np.abs(t - rng.uniform(0.5, 3.0)) < 0.14)
        return 0.10 * _coloured(rng, n, 40, 320) + 0.05 * horn
    if name == "birds":
        chirp = _tone(t, 3100 + 500 * 1.0) * (np.sin(2 * np.pi * 1.3 * t + phase) > 0.93) * np.abs(np.sin(2 * np.pi * 17 * t))
        return 0.012 * _coloured(rng, n, 300, 3000) + 0.09 * chirp.astype(np.float32)
    if name == "waves":
        return 0.16 * _coloured(rng, n, 150, 4000) * (0.35 + 0.65 * np.sin(2 * np.pi * 0.28 * t + phase) ** 2)
    if name == "hum":
        return 0.03 * _tone(t, 100) + 0.015 * _tone(t, 200) + 0.01 * _coloured(rng, n, 60, 900)
    if name == "clock":
        return 0.06 * _coloured(rng, n, 2000, 5000) * ((t * 2) % 1 < 0.012) + 0.004 * _coloured(rng, n, 60, 500)
    if name == "crowd":
        return 0.05 * _coloured(rng, n, 200, 2200) * (0.7 + 0.3 * np.sin(2 * np.pi * 0.7 * t + phase))
    if name == "wind":
        return 0.09 * _coloured(rng, n, 200, 900) * (0.5 + 0.5 * np.sin(2 * np.pi * 0.35 * t + phase))
    return 0.03 * _coloured(rng, n, 150, 1500) * (0.6 + 0.4 * np.sin(2 * np.pi * 2.3 * t + phase))


def _hits(t: Samples, times: npt.NDArray[np.floating], decay: float) -> Samples:
    """An envelope that jumps to 1 at each of ``times`` and decays with the given time constant."""
    out = np.zeros_like(t)
    for start in times:
        a = int(start * AUDIO_RATE)
        b = min(len(t), a + int(6 * decay * AUDIO_RATE))
        if 0 <= a < b:
            out[a:b] += np.exp(-(t[a:b] - t[a]) / decay)
    return out


def action_sound(segment: Segment, rng: np.random.Generator, seconds: float) -> Samples:
    """The sound of one action on the whole track's time axis."""
    n = round(seconds * AUDIO_RATE)
    t = np.arange(n, dtype=np.float32) / AUDIO_RATE
    kind = SOUNDS.get(segment.action, "")
    a, b, length = segment.start, segment.end, segment.end - segment.start
    inside = (t >= a) & (t < b)
    if kind in ("steps", "fast steps"):
        per_second = (3.4 if kind == "fast steps" else 2.0) * segment.rate
        return 0.34 * _coloured(rng, n, 60, 420) * _hits(t, np.arange(a, b, 1 / per_second), 0.03)
    if kind == "clapping":
        return 0.6 * _coloured(rng, n, 900, 4500) * _hits(t, np.arange(a + 0.22, b, 1 / (2.2 * segment.rate)), 0.014)
    if kind == "thump":
        beats = a + length * (np.arange(segment.reps) + 0.82) / segment.reps
        return 0.7 * _tone(t, 72) * _hits(t, beats, 0.07) + 0.2 * _coloured(rng, n, 60, 300) * _hits(t, beats, 0.04)
    if kind == "whoosh":
        beats = a + length * (np.arange(segment.reps) + 0.45) / segment.reps
        return 0.3 * _coloured(rng, n, 700, 2600) * _hits(t, beats, 0.09)
    if kind == "breath":
        return 0.10 * _coloured(rng, n, 500, 2500) * inside * np.abs(np.sin(np.pi * (t - a) / length * segment.reps)) ** 3
    if kind == "music":
        notes = np.array([262, 330, 392, 523, 440, 392, 330, 294], np.float32)
        beat = (t * 4 * segment.rate).astype(int)
        lead = np.sin(2 * np.pi * notes[beat % 8] * t, dtype=np.float32) * np.exp(-5 * ((t * 4 * segment.rate) % 1))
        drum = _tone(t, 62) * np.exp(-16 * ((t * 2 * segment.rate) % 1))
        return ((0.2 * lead + 0.4 * drum) * inside).astype(np.float32)
    if kind == "guitar":
        strum = np.exp(-4 * ((t * 1.7 * segment.rate) % 1))
        chord = sum(_tone(t, h) + 0.5 * _tone(t, 2 * h) + 0.25 * _tone(t, 3 * h) for h in (196.0, 247.0, 294.0))
        return (0.1 * strum * chord * inside).astype(np.float32)
    if kind == "creak":
        return 0.12 * _tone(t, 340) * np.sign(_tone(t, 46)) * _hits(t, np.array([a + 0.5]), 0.09)
    if kind == "rustle":
        return 0.10 * _coloured(rng, n, 2500, 6000) * inside * (np.sin(2 * np.pi * 1.1 * t) > 0.5)
    if kind == "gulp":
        return 0.2 * _tone(t, 150) * _hits(t, np.arange(a + 0.6, b, 1.2), 0.05)
    return np.zeros(n, np.float32)


def soundtrack(plan: Plan, seed: int) -> Samples:
    """Mono samples in -1..1 at ``AUDIO_RATE``, as long as the video."""
    rng = np.random.default_rng([seed, plan.index, 9])
    n = round(plan.seconds * AUDIO_RATE)
    track = ambience(AMBIENCE[plan.scene], rng, n).astype(np.float32)
    for actor in plan.actors:
        for segment in actor.segments:
            track += action_sound(segment, rng, plan.seconds)[:n]
    return np.tanh(track).astype(np.float32)


def sound_class(plan: Plan) -> dict[str, object]:
    """Ground truth: the place's sound and, in order, the actions' sounds."""
    heard = [SOUNDS[s.action] for a in plan.actors for s in a.segments if s.action in SOUNDS]
    return {"ambience": AMBIENCE[plan.scene], "events": sorted(set(heard))}
