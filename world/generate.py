"""Make the world: draw every video in worker processes, then write the annotations and the ground truth."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cache.errors import ConfigError, nearest
from cache.stage import Quiet
from media.encode import write_video
from world import layout as layouts
from world import truth
from world.plan import AUDIO_RATE, RATE, make_plan
from world.questions import Question, ask
from world.render import draw, stage_film
from world.sound import soundtrack
from world.workers import pool

#: Layouts without questions, and their modules: imported only for them, so that an edit there makes no other world anew.
OTHERS = {
    "yt8m": "world.youtube8m",
    "ucf101": "world.ucf101",
    "hmdb51": "world.hmdb51",
    "kinetics": "world.kinetics",
    "thumos14": "world.thumos14",
    "kinetics-sound": "world.kinetics_sound",
    "esc50": "world.esc50",
    "fsd50k": "world.fsd50k",
}
#: Those of which one can say what is shown.
ACTED = ("ucf101", "hmdb51", "kinetics", "thumos14", "kinetics-sound")
#: size -> number of videos
SIZES: dict[str, int] = {"tiny": 16, "small": 120, "medium": 600, "large": 1000}


def generate(
    out: Path,
    layout: str,
    size: str,
    seed: int,
    workers: int = 1,
    progress: Callable[..., Any] = Quiet,
    shown: layouts.Shown = layouts.EVERYTHING,
) -> None:
    """Write the world of ``size`` with ``seed`` in an official layout into the directory ``out`` (created, else empty).

    The same arguments give the same bytes, whatever ``workers``. ``progress(label, total=n)`` makes a progress bar.
    Raises ConfigError for an unknown layout or size, or if ``out`` already holds a world.
    """
    layouts.check_layout(layout)
    if size not in SIZES:
        raise ConfigError(f"the embedded world has no size {size!r}", hint=nearest(size, SIZES))
    if (out / "truth").exists() or (out / "train_qa.json").exists() or (out / "vocabulary.csv").exists():
        raise ConfigError(f"{out} already holds a data set", hint="give --out a new directory")
    if layout in OTHERS:
        out.mkdir(parents=True, exist_ok=True)
        more = {"shown": shown} if layout in ACTED else {}
        importlib.import_module(OTHERS[layout]).write_world(out, size, seed, workers, progress, **more)
    else:
        _write_videos(out, layout, size, seed, workers, progress)


def _write_videos(out: Path, layout: str, size: str, seed: int, workers: int, progress: Callable[..., Any]) -> None:
    """The layouts of videos with questions."""
    plans = [make_plan(seed, i) for i in range(SIZES[size])]
    rows = layouts.entries(layout, plans, seed)
    for folder in sorted({Path(row.path).parent for row in rows} | {Path("truth")}):
        (out / folder).mkdir(parents=True, exist_ok=True)
    jobs = [(str(out), seed, row) for row in rows]
    questions: list[list[Question]] = []
    with progress("draw the world", total=len(jobs)) as bar, pool(workers) as run:
        for asked in run(_make, jobs):
            questions.append(asked)
            bar.step()
    layouts.write_annotations(out, layout, rows, plans, questions)
    truth.write_index(out, layout, size, seed, rows, plans, questions)


def _make(job: tuple[str, int, layouts.Entry]) -> list[Question]:
    """Draw, encode and document one video."""
    out, seed, row = Path(job[0]), job[1], job[2]
    film = stage_film(make_plan(seed, row.index))
    write_video(out / row.path, draw(film), RATE, soundtrack(film.plan, seed), AUDIO_RATE)
    truth.write_keypoints(out, row.id, film)
    return ask(film, seed)
