"""Videos of actions on disk: drawn, encoded and documented in worker processes, whatever layout they are for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from media.encode import write_video
from world import truth
from world.clips import Clip
from world.plan import AUDIO_RATE, RATE, Plan
from world.render import draw, stage_film
from world.sound import Samples, sound_class, soundtrack
from world.workers import pool

Progress = Callable[..., Any]


@dataclass(frozen=True)
class Take:
    """A video to be made: its id in the annotations, its path under the data root, its splits, and what else the truth says of it.

    sound: seed -> its samples, if they are not those of the plan (:func:`world.sound.soundtrack`); ``facts`` then hold its ``sound``.
    """

    id: str
    path: str
    plan: Plan
    splits: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    sound: Callable[[int], Samples] | None = None


def take(clip: Clip, id: str, path: str, label: str, splits: tuple[str, ...]) -> Take:
    """The video of a clip that the layout calls ``label``."""
    facts = {"class": label, "action": clip.action, "few_shot": clip.few_shot, "group": clip.group, "main": clip.main}
    return Take(id, path, clip.plan, splits, facts)


def film_takes(out: Path, layout: str, size: str, seed: int, takes: list[Take], workers: int, progress: Progress) -> None:
    """Write every video below ``out``, and the truth; the same bytes whatever ``workers``."""
    for folder in sorted({Path(take.path).parent for take in takes} | {Path("truth")}):
        (out / folder).mkdir(parents=True, exist_ok=True)
    jobs = [(str(out), seed, take) for take in takes]
    with progress("draw the world", total=len(jobs)) as bar, pool(workers) as run:
        for _ in run(_film, jobs):
            bar.step()
    truth.write_rows(out, layout, size, seed, map(_fact, takes))


def _film(job: tuple[str, int, Take]) -> None:
    out, seed, take = Path(job[0]), *job[1:]
    film = stage_film(take.plan)
    samples = take.sound(seed) if take.sound else soundtrack(take.plan, seed)
    write_video(out / take.path, draw(film), RATE, samples, AUDIO_RATE)
    truth.write_keypoints(out, take.id, film)


def _fact(take: Take) -> dict[str, Any]:
    place = {"id": take.id, "path": take.path, "splits": list(take.splits)}
    return {**place, "plan": take.plan.to_json(), "sound": sound_class(take.plan), **take.facts}


def write_few_shot(out: Path, folder: str, clips: list[tuple[str, str, str]]) -> None:
    """Write ``splits/<folder>/{train,val,test}list03.txt`` in the form of ARN's lists: ``<class>/<clip>``, without an ending.

    None are written where a split would have no class. clips: few-shot split, class and name of each.
    """
    lists = {split: sorted(f"{label}/{name}\n" for part, label, name in clips if part == split) for split in ("train", "val", "test")}
    if not all(lists.values()):
        return
    place = out / "splits" / folder
    place.mkdir(parents=True)
    for split, lines in lists.items():
        (place / f"{split}list03.txt").write_text("".join(lines), encoding="utf-8")
