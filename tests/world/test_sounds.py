"""Sounds lie on disk as ESC-50 and FSD50K do; kinds of sounds differ, and recordings of a kind do too."""

from __future__ import annotations

import csv
import re
import wave
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stages.index.adapters import adapter
from stages.index.dataset import Dataset
from stages.index.holdings import holdings
from stages.index.soundness import check
from tests.world.test_action_layouts import digests
from world import esc50, fsd50k, truth
from world.generate import generate
from world.noises import KINDS, Cue, make
from world.recordings import RATE, Event, Recording, make_event, samples
from world.synthesis import Samples, noise, notes, strokes, swells

FEW = {"esc50": (esc50.SIZES, (3, 3)), "fsd50k": (fsd50k.SIZES, (20, 6))}


def draw(out: Path, layout: str, workers: int = 1) -> Path:
    """A world smaller than a tiny one."""
    with pytest.MonkeyPatch.context() as patch:
        sizes, few = FEW[layout]
        patch.setitem(sizes, "tiny", few)
        generate(out, layout, "tiny", 3, workers=workers)
    return out


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("sounds")
    return {layout: draw(base / layout, layout) for layout in FEW}


def read(root: Path, layout: str) -> Dataset:
    found = adapter(layout)
    dataset = found.read(root)
    check(dataset, found.holds)
    return dataset


@pytest.mark.parametrize(("layout", "number"), [("esc50", 45), ("fsd50k", 26)])
def test_the_adapter_reads_what_the_truth_says(layout: str, number: int, worlds: dict[str, Path]) -> None:
    root = worlds[layout]
    dataset, rows = read(root, layout), {row["id"]: row for row in truth.videos(root)}
    said = {one.video_id: one.classes for one in dataset.annotations}
    assert len(dataset.videos) == len(rows) == number
    for video in dataset.videos:
        row = rows[video.id]
        assert (video.path, video.splits) == (row["path"], tuple(row["splits"]))
        assert said[video.id] == tuple(row.get("classes") or [row["class"]])
    found = holdings(layout, root)
    assert len(found.there) == number and not found.missing and not found.unused


@pytest.mark.parametrize("layout", list(FEW))
def test_files_are_as_long_as_the_truth_says_and_not_silent(layout: str, worlds: dict[str, Path]) -> None:
    for row in list(truth.videos(worlds[layout]))[::6]:
        with wave.open(str(worlds[layout] / row["path"])) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
            assert file.getnframes() == round(row["seconds"] * RATE)
            assert np.abs(np.frombuffer(file.readframes(file.getnframes()), "<i2")).max() > 500
        assert layout != "esc50" or row["seconds"] == 5


@pytest.mark.parametrize("layout", list(FEW))
def test_workers_change_no_byte(layout: str, worlds: dict[str, Path], tmp_path: Path) -> None:
    assert digests(draw(tmp_path / "again", layout, workers=2)) == digests(worlds[layout])


def test_a_source_is_in_one_fold_with_one_pitch_and_names_say_what_the_table_says(worlds: dict[str, Path]) -> None:
    rows = list(csv.DictReader((worlds["esc50"] / "meta" / "esc50.csv").open()))
    assert list(rows[0]) == ["filename", "fold", "target", "category", "esc10", "src_file", "take"]
    assert all(re.fullmatch(rf"{r['fold']}-{r['src_file']}-{r['take']}-{r['target']}\.wav", r["filename"]) for r in rows)
    assert Counter((r["fold"], r["category"]) for r in rows) == {(str(f), name): 3 for f in range(1, 6) for name in list(KINDS)[:3]}
    folds, pitches = defaultdict(set), defaultdict(set)
    for row in truth.videos(worlds["esc50"]):
        folds[row["src_file"]].add(row["fold"])
        pitches[row["src_file"]].add(row["events"][0]["pitch"])
    assert all(len(found) == 1 for found in [*folds.values(), *pitches.values()]) and len(folds) == 30
    assert len(set.union(*pitches.values())) == 30


def test_labels_are_those_of_what_is_heard_with_their_families(worlds: dict[str, Path]) -> None:
    several = 0
    for row in truth.videos(worlds["fsd50k"]):
        kinds = [event["kind"] for event in row["events"]]
        assert set(row["classes"]) == {name.capitalize() for kind in kinds for name in (kind, KINDS[kind].family)}
        several += len(kinds) > 1
    assert several >= 3
    table = (worlds["fsd50k"] / "FSD50K.ground_truth" / "vocabulary.csv").read_text().splitlines()
    assert table[0] == "0,Animals,/m/0kd00" and len(table) == len(fsd50k.VOCABULARY) == len({line.split(",")[2] for line in table})


def test_recordings_of_fsd50k_are_uneven_and_every_tenth_of_development_is_for_validation(worlds: dict[str, Path]) -> None:
    rows = list(truth.videos(worlds["fsd50k"]))
    assert Counter(row["splits"][0] for row in rows) == {"train": 18, "val": 2, "test": 6}
    lengths = [row["seconds"] for row in rows]
    assert min(lengths) >= 0.5 and max(lengths) <= 12 and max(lengths) > 3 * min(lengths)


def cue(seed: int, pitch: float = 1.0, rate: int = 16000) -> Cue:
    rng = np.random.default_rng(seed)
    return Cue(np.arange(0.1, 3.8, 0.6), pitch, 4 * rate, rate, rng)


@pytest.mark.parametrize("rate", [16000, RATE])
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_kind_is_finite_at_a_peak_of_one_and_stays_below_eight_thousand_hertz(kind: str, rate: int) -> None:
    track = make(kind, cue(0, rate=rate))
    assert track.dtype == np.float32 and track.shape == (4 * rate,) and abs(np.abs(track).max() - 1) < 1e-5
    power = np.abs(np.fft.rfft(track)) ** 2
    assert power[np.fft.rfftfreq(len(track), 1 / rate) > 8000].sum() < 0.05 * power.sum()


def spectrum(track: Samples) -> Samples:
    """Energy in 24 bands, log, and how much the loudness varies: coarse, but enough to tell kinds apart."""
    power = np.abs(np.fft.rfft(track)) ** 2
    bands = np.log([part.sum() + 1e-3 for part in np.split(power[20 : 20 + 24 * 1200], 24)])
    level = np.sqrt(np.convolve(track**2, np.ones(800) / 800, "same"))[::400]
    return np.append(bands - bands.mean(), 6 * level.std() / level.mean()).astype(np.float32)


def test_kinds_are_told_apart_by_their_nearest_neighbour_at_other_pitches() -> None:
    known = {kind: [spectrum(make(kind, cue(seed, pitch))) for seed, pitch in ((1, 0.8), (2, 1.0), (3, 1.25))] for kind in KINDS}
    right = 0
    for kind in KINDS:
        new = spectrum(make(kind, cue(9, 0.9)))
        right += min(KINDS, key=lambda other: min(np.abs(new - one).sum() for one in known[other])) == kind
    assert right >= 20, right


def test_steps_come_when_their_events_do_and_nothing_sounds_outside_an_event() -> None:
    one = Recording(1, "a", "a.wav", 3.0, (Event("clapping", 1.0, 2.0, 1.0, 0.5),), (100, 200, 0.0), ("train",))
    track = samples(one, 0)
    assert not track[: RATE - 1].any() and not track[2 * RATE + 1 :].any() and 0.3 < np.abs(track).max() <= 0.5


def test_events_lie_within_their_recording() -> None:
    rng = np.random.default_rng(0)
    made = [make_event(rng, "drum", seconds, 1.0) for seconds in (0.5, 1.0, 5.0, 12.0) for _ in range(20)]
    limits = [seconds for seconds in (0.5, 1.0, 5.0, 12.0) for _ in range(20)]
    assert all(0 <= e.start < e.end <= limit + 0.001 and e.end - e.start >= 0.498 for e, limit in zip(made, limits))
    assert min(e.level for e in made) < 0.1 < 0.4 < max(e.level for e in made)


@pytest.mark.parametrize("envelope", [lambda t: strokes(1600, 1600, t, 0.01), lambda t: swells(1600, 1600, t, 0.02)])
def test_envelopes_peak_at_their_times(envelope: Callable[[Samples], Samples]) -> None:
    made = envelope(np.array([0.25, 0.75]))
    assert abs(int(made[:800].argmax()) - 400) < 12 and abs(int(made[800:].argmax()) - 400) < 12 and made[0] < 1e-6
    assert not envelope(np.array([])).any()


def test_noise_and_notes_have_the_frequencies_that_are_asked_for() -> None:
    hertz = np.fft.rfftfreq(16000, 1 / 16000)
    hiss = np.abs(np.fft.rfft(noise(np.random.default_rng(0), 16000, 16000, 1000, 2000))) ** 2
    assert hiss[(hertz > 990) & (hertz < 2010)].sum() > 0.99 * hiss.sum()
    tone = np.abs(np.fft.rfft(notes(16000, 16000, np.array([0.0]), [440.0], 0.3)))
    assert abs(hertz[tone.argmax()] - 440) <= 1
