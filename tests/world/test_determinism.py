"""The same seed makes the same bytes, whatever the number of workers; another seed makes another world."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from world.generate import generate
from world.plan import Plan, make_plan
from world.render import draw, stage_film
from world.sound import soundtrack


def _digests(root: Path) -> dict[str, str]:
    files = sorted(p for p in root.rglob("*") if p.is_file())
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_two_workers_write_the_same_bytes_as_one(msvd: Path, tmp_path: Path) -> None:
    generate(tmp_path / "again", "msvd-qa", "tiny", 3, workers=2)
    assert _digests(tmp_path / "again") == _digests(msvd)


def test_mp4_files_are_repeatable(msrvtt: Path, tmp_path: Path) -> None:
    generate(tmp_path / "again", "msrvtt-qa", "tiny", 3)
    assert _digests(tmp_path / "again") == _digests(msrvtt)


def test_another_seed_is_another_world() -> None:
    assert make_plan(1, 0).to_json() != make_plan(0, 0).to_json()


def test_a_video_does_not_depend_on_the_others() -> None:
    alone = make_plan(0, 5)
    for i in range(8):
        make_plan(0, i)
    assert make_plan(0, 5).to_json() == alone.to_json()


def test_a_plan_survives_json_and_draws_the_same_pictures() -> None:
    plan = make_plan(0, 2)
    again = Plan.from_json(plan.to_json())
    assert again == plan
    first = next(iter(draw(stage_film(plan))))
    assert np.array_equal(first, next(iter(draw(stage_film(again)))))


def test_sound_is_as_long_as_the_pictures_and_not_silent() -> None:
    for i in range(6):
        plan = make_plan(0, i)
        track = soundtrack(plan, 0)
        assert track.dtype == np.float32 and len(track) == round(plan.seconds * 16000)
        assert float(np.abs(track).mean()) > 0.002 and float(np.abs(track).max()) <= 1
