"""A look at a file before the work: its facts and the state that the work would end in."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from cache.digest import digest_file
from cache.memo import DigestMemo
from media.examine import Look, examine
from tests.media.zoo import cut, headless, silence, write


def test_the_facts_of_a_whole_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.avi", codec="mpeg4")
    shown = {"container": "avi", "codec": "mpeg4", "audio": "", "width": 64, "height": 48, "rate": 10.0, "header": 20}
    whole = {"state": "ok", "reason": "", "size": path.stat().st_size, "digest": digest_file(path), **shown}
    assert examine(Look(str(path))) == {**whole, "count": None}
    assert examine(Look(str(path), decode=True)) == {**whole, "count": 20}


@pytest.mark.parametrize(
    ("name", "make", "light", "full"),
    [
        ("a.mkv", partial(cut, share=0.6, numbers=range(100)), "damaged", "damaged"),
        ("a.ts", partial(write, change=headless, options={"g": "10"}), "damaged", "damaged"),
        ("a.avi", partial(cut, share=0.6, numbers=range(100), codec="mpeg4"), "ok", "damaged"),
        ("a.mp4", silence, "no_video", "no_video"),
        ("b.mp4", lambda path: path.write_bytes(b""), "empty", "empty"),
        ("c.mp4", lambda path: path, "missing", "missing"),
        ("d.mp4", lambda path: path.write_text("x" * 999), "not_media", "not_media"),
    ],
)
def test_the_state_is_the_samplers_as_far_as_one_frame_tells(tmp_path: Path, name: str, make, light: str, full: str) -> None:
    make(tmp_path / name)
    assert examine(Look(str(tmp_path / name)))["state"] == light
    assert examine(Look(str(tmp_path / name), decode=True))["state"] == full


def test_a_digest_is_remembered_for_the_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cache.memo.RACY_NS", -60_000_000_000)  # also of a file written a moment ago
    path, memo = write(tmp_path / "a.mp4"), tmp_path / "memo" / "digests.log"
    assert examine(Look(str(path), memo=str(memo)))["digest"] == digest_file(path)
    assert DigestMemo(memo).known(path) == digest_file(path)
