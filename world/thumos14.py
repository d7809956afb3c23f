"""The world of untrimmed videos in the layout of THUMOS14's temporal detection, with the tables that AFSD made of it.

    validation/video_validation_0000051.mp4 ..., test/video_test_0000004.mp4 ...
    TH14_Temporal_annotations_validation/annotation/<Class>_val.txt, Ambiguous_val.txt      <video>  <start> <end>
    TH14_Temporal_annotations_test/annotation/<Class>_test.txt, Ambiguous_test.txt
    TH14evalkit/detclasslist.txt                            <number> <Class>
    thumos_annotations/{val,test}_video_info.csv, {val,test}_Annotation.csv, {val,test}_Annotation_ours.csv,
        Class Index_Detection.txt, thumos_gt.json
    truth/

As in the published set, the last test video has ambiguous rows only, so no table knows it, and the one before is in
``test_video_info.csv`` but not in ``thumos_gt.json``. A class's number is its place among all actions of the world.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cache.errors import one_of
from cache.stage import Quiet
from world.acted import Progress, Take, film_takes
from world.actions import KNOWN
from world.clips import camel
from world.layout import EVERYTHING, Shown
from world.plan import RATE
from world.untrimmed import DETECTED, Instance, Untrimmed, make_untrimmed, plain

#: size -> validation videos, test videos, classes, shortest and longest in seconds
SIZES = {"tiny": (6, 8, 6, (30, 34)), "small": (20, 22, 20, (30, 90)), "medium": (80, 42, 20, (30, 90)), "large": (200, 102, 20, (30, 90))}
#: part -> its folder, the beginning of its ids and their first number, the folder of its annotations, its subset in ``thumos_gt.json``
PARTS = {
    "val": ("validation", "video_validation_", 51, "TH14_Temporal_annotations_validation/annotation", "train"),
    "test": ("test", "video_test_", 4, "TH14_Temporal_annotations_test/annotation", "test"),
}
TABLES = "thumos_annotations"
#: Pictures a second that AFSD samples.
SAMPLED = 10.0
AMBIGUOUS = "Ambiguous"
NUMBERS = {camel(action): number for number, action in enumerate(sorted(KNOWN, key=camel), 1)}


@dataclass(frozen=True)
class _Video:
    part: str
    id: str
    made: Untrimmed
    in_truth: bool

    def rows(self, ambiguous: bool = False) -> list[tuple[str, Instance]]:
        """Its instances with their class, or those that are not certain."""
        return [(camel(one.action), one) for one in self.made.instances if one.certain != ambiguous]


def write_world(out: Path, size: str, seed: int, workers: int, progress: Progress = Quiet, shown: Shown = EVERYTHING) -> None:
    """Write the world of ``size`` with ``seed`` below ``out``."""
    actions = detected(size, shown)
    videos, names = _videos(seed, size, actions, shown.setting), sorted(map(camel, actions))
    film_takes(out, "thumos14", size, seed, list(map(_take, videos)), workers, progress)
    numbers = "".join(f"{NUMBERS[name]} {name}\n" for name in names)
    for file in (out / "TH14evalkit" / "detclasslist.txt", out / TABLES / "Class Index_Detection.txt"):
        file.parent.mkdir()
        file.write_text(numbers, encoding="utf-8")
    for part in PARTS:
        of_part = [video for video in videos if video.part == part]
        _write_annotations(out / PARTS[part][3], part, of_part, names)
        _write_tables(out / TABLES, part, of_part)
    _write_truth(out / TABLES / "thumos_gt.json", videos)


def detected(size: str, shown: Shown = EVERYTHING) -> tuple[str, ...]:
    """The classes of a world, by name of the action. Raises ConfigError for one that no untrimmed video shows."""
    for name in shown.actions:
        one_of("action of untrimmed videos", name, DETECTED)
    return shown.actions or DETECTED[: SIZES[size][2]]


def _videos(seed: int, size: str, actions: Sequence[str], setting: str) -> list[_Video]:
    """The videos; every class is the main one in as many as any other, or in one more."""
    val, test, _, seconds = SIZES[size]
    classes = len(actions)
    found = []
    for part, count in (("val", val), ("test", test)):
        for n in range(count):
            number = n if part == "val" else val + n
            second = n + 1 + n // classes % max(classes - 1, 1)
            done = (actions[n % classes], actions[second % classes])[: 2 if n % 4 == 3 else 1]
            unclear = part == "test" and n == count - 1
            made = make_untrimmed(seed, number, done, seconds, only_short=unclear)
            made = plain(made) if setting == "plain" else made
            id = f"{PARTS[part][1]}{PARTS[part][2] + 3 * n:07d}"
            found.append(_Video(part, id, made, in_truth=part == "val" or n < count - 2))
    return found


def _take(video: _Video) -> Take:
    made = video.made
    segments = [[camel(one.action) if one.certain else AMBIGUOUS, one.start, one.end] for one in made.instances]
    return Take(video.id, f"{PARTS[video.part][0]}/{video.id}.mp4", made.plan, (video.part,), {"segments": segments, "main": made.main})


def _write_annotations(place: Path, part: str, videos: list[_Video], names: list[str]) -> None:
    """A file a class, and one of what is ambiguous; names and times stand two blanks and one blank apart, as published."""
    place.mkdir(parents=True)
    rows = [(name, video.id, one) for video in videos for name, one in video.rows()]
    rows += [(AMBIGUOUS, video.id, one) for video in videos for _, one in video.rows(ambiguous=True)]
    for name in (*names, AMBIGUOUS):
        lines = [f"{id}  {one.start:.1f} {one.end:.1f}\n" for of, id, one in rows if of == name]
        (place / f"{name}_{part}.txt").write_text("".join(lines), encoding="utf-8")


def _write_tables(place: Path, part: str, videos: list[_Video]) -> None:
    """AFSD's tables of a part: they have no video without a certain instance."""
    known = [video for video in videos if video.rows()]
    counts = [(video.id, float(RATE), SAMPLED, float(video.made.plan.frames), sampled(video.made.plan.frames)) for video in known]
    _write_csv(place / f"{part}_video_info.csv", ("video", "fps", "sample_fps", "count", "sample_count"), counts)
    certain = [_row(video.id, name, one) for video in known for name, one in video.rows()]
    unclear = [_row(video.id, AMBIGUOUS, one) for video in known for _, one in video.rows(ambiguous=True)]
    columns = ("video", "type", "type_idx", "start", "end", "startFrame", "endFrame")
    _write_csv(place / f"{part}_Annotation_ours.csv", columns, certain)
    _write_csv(place / f"{part}_Annotation.csv", columns, certain + unclear)


def _row(id: str, name: str, one: Instance) -> tuple[object, ...]:
    return id, name, NUMBERS.get(name, 0), f"{one.start:.1f}", f"{one.end:.1f}", round(one.start * RATE), round(one.end * RATE)


def sampled(frames: int) -> int:
    """How many of ``frames`` AFSD keeps: each frame adds 1 to a counter; one is kept when it reaches a step, which is then subtracted."""
    step, counter, kept = RATE / SAMPLED, 0.0, 0
    for _ in range(frames):
        counter += 1
        if counter >= step:
            kept, counter = kept + 1, counter - step
    return kept


def _write_truth(path: Path, videos: list[_Video]) -> None:
    database = {
        video.id: {
            "subset": PARTS[video.part][4],
            "annotations": [{"segment": [f"{one.start:.1f}", f"{one.end:.1f}"], "label": name} for name, one in video.rows()],
        }
        for video in videos
        if video.in_truth
    }
    path.write_text(json.dumps({"database": database}), encoding="utf-8")


def _write_csv(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])
