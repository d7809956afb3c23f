"""The sample stage: right frames, every video accounted for, nothing decoded twice, nothing hangs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cache.errors import DataError
from cache.ledger import STATES
from cache.stage import Context
from media import decode
from media.frames import decode_payload
from stages.sample import SampleParams
from stages.sample import run as stage
from stages.sample.policies import clip_indices
from stages.sample.run import run
from tests.media.conftest import number_of, write_video
from tests.sample.conftest import rows, states

Make = Callable[..., Context]
Index = Callable[..., Path]


def _fill(data: Path) -> dict[str, str]:
    """Good and bad files: id -> name; the id tells the state that is expected."""
    whole = write_video(data / "ok.avi", 30)
    write_video(data / "padded.mp4", 3, codec="libx264")
    write_video(data / "one.avi", 1)
    write_video(data / "long.mkv", 30, codec="libx264")
    (data / "empty.avi").write_bytes(b"")
    (data / "text.avi").write_text("not a video\n" * 100)
    (data / "undecodable.avi").write_bytes(_without_pictures(whole.read_bytes()))
    names = ("ok.avi", "padded.mp4", "one.avi", "long.mkv", "empty.avi", "text.avi", "undecodable.avi", "missing.avi")
    return {name.split(".")[0]: name for name in names}


def _without_pictures(data: bytes) -> bytes:
    """An AVI whose pictures are zeros."""
    start = data.index(b"movi") + 4
    return data[:start] + bytes(len(data) - start)


EXPECTED = {
    "ok": "ok",
    "long": "ok",
    "padded": "padded",
    "one": "padded",
    "empty": "empty",
    "text": "not_media",
    "undecodable": "undecodable",
    "missing": "missing",
}


def test_every_video_of_the_index_is_in_the_ledger_and_only_usable_ones_in_the_list(
    data: Path, write_index: Index, make_context: Make
) -> None:
    write_index(_fill(data))
    ctx = make_context(workers=2)
    run(ctx)
    assert states(ctx) == EXPECTED
    assert [row["id"] for row in rows(ctx)] == [id for id in _fill(data) if STATES[EXPECTED[id]] != "lost"]
    assert all(entry.reason for entry in ctx.ledger.sorted() if entry.state != "ok")
    assert str(data) not in ctx.ledger.dump()


def test_the_payload_holds_the_frames_of_the_clips(data: Path, write_index: Index, make_context: Make) -> None:
    path = write_video(data / "a.avi", 30)
    write_index({"7": "a.avi"})
    ctx = make_context(num_clips=3, frames_per_clip=8)
    run(ctx)
    (row,) = rows(ctx)
    assert row.keys() == {"id", "media", "frames", "count", "width", "height", "rate"}
    assert (row["id"], row["count"], row["width"], row["height"], row["rate"]) == ("7", 30, 64, 48, 12.0)
    assert row["media"] == hashlib.sha256(path.read_bytes()).hexdigest()
    item = ctx.items.get(row["media"])
    assert item.digest == row["frames"]
    frames = decode_payload(item.payload)
    assert np.array_equal(frames.index, clip_indices(30, 3, 8))
    assert frames.numbers.tolist() == sorted(set(frames.index.ravel().tolist()))
    decoded = {frame.number: frame for frame in decode.read_frames(path)}
    for number, time in zip(frames.numbers.tolist(), frames.times.tolist(), strict=True):
        assert np.array_equal(frames.images(number), decoded[number].image)
        assert number_of(frames.images(number)) == number
        assert time == decoded[number].time


def test_the_result_does_not_depend_on_workers_or_order(data: Path, write_index: Index, make_context: Make) -> None:
    files = _fill(data)
    write_index(files)
    one, three = make_context("one", workers=1), make_context("three", workers=3)
    run(one)
    run(three)
    assert (one.out / "frames.jsonl").read_bytes() == (three.out / "frames.jsonl").read_bytes()
    assert one.ledger.dump() == three.ledger.dump()
    write_index(dict(reversed(files.items())))
    other = make_context("other")
    run(other)
    assert sorted(rows(other), key=lambda row: row["id"]) == sorted(rows(one), key=lambda row: row["id"])
    assert other.ledger.dump() == one.ledger.dump()


def test_what_is_there_is_not_decoded_again_lost_ones_included(
    data: Path, write_index: Index, make_context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_index(_fill(data))
    first = make_context("first", items="shared")
    run(first)
    monkeypatch.setattr(stage, "run_killable", lambda *a, **k: pytest.fail("decoded again"))
    again = make_context("again", items="shared")
    run(again)
    assert (again.out / "frames.jsonl").read_bytes() == (first.out / "frames.jsonl").read_bytes()
    assert again.ledger.dump() == first.ledger.dump()


def test_a_new_video_costs_one_decode(data: Path, write_index: Index, make_context: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(data / "a.avi", 20)
    write_index({"1": "a.avi"})
    run(make_context("first", items="shared"))
    write_video(data / "b.avi", 21)
    write_index({"1": "a.avi", "2": "b.avi"})
    decoded: list[str] = []
    real = stage.run_killable
    monkeypatch.setattr(stage, "run_killable", lambda f, jobs, **k: real(f, [decoded.append(j[0]) or j for j in jobs], **k))
    run(make_context("second", items="shared"))
    assert decoded == ["b.avi"]


def test_an_interrupted_run_keeps_what_it_has(data: Path, write_index: Index, make_context: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {str(n): write_video(data / f"{n}.avi", 10 + n).name for n in range(6)}
    write_index(files)
    whole = make_context("whole")
    run(whole)
    monkeypatch.setattr(stage, "FLUSH_VIDEOS", 2)
    killed = make_context("killed", items="shared")
    real = stage._settle
    settled: list[object] = []

    def dying(*arguments: object) -> None:
        if len(settled) == 5:
            raise KeyboardInterrupt
        settled.append(arguments)
        real(*arguments)

    monkeypatch.setattr(stage, "_settle", dying)
    with pytest.raises(KeyboardInterrupt):
        run(killed)
    monkeypatch.setattr(stage, "_settle", real)
    again = make_context("again", items="shared")
    assert len(again.items) == 5
    run(again)
    assert (again.out / "frames.jsonl").read_bytes() == (whole.out / "frames.jsonl").read_bytes()


def test_rows_reach_the_disk_in_batches(data: Path, write_index: Index, make_context: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    write_index({str(n): write_video(data / f"{n}.avi", 10 + n).name for n in range(5)})
    monkeypatch.setattr(stage, "FLUSH_VIDEOS", 2)
    monkeypatch.setattr(stage, "FLUSH_SECONDS", 1e9)
    ctx = make_context()
    sizes: list[int] = []
    real = ctx.items.append
    monkeypatch.setattr(ctx.items, "append", lambda *a: (real(*a), sizes.append(len(list(ctx.items.keys())))))
    run(ctx)
    assert sizes == [0, 0, 2, 2, 4]


def test_a_file_that_hangs_is_given_up_and_tried_again_by_the_next_run(data: Path, write_index: Index, make_context: Make) -> None:
    write_video(data / "a.avi", 20)
    os.mkfifo(data / "hangs.avi")
    later = write_video(data / "later.avi", 12).read_bytes()
    (data / "later.avi").unlink()
    digest = hashlib.sha256(later).hexdigest()
    write_index({"1": "a.avi", "2": "hangs.avi"}, {"2": digest})
    ctx = make_context("first", items="shared", timeout=1.0)
    run(ctx)
    assert states(ctx) == {"1": "ok", "2": "timed_out"}
    assert [row["id"] for row in rows(ctx)] == ["1"]
    (data / "hangs.avi").unlink()
    (data / "hangs.avi").write_bytes(later)
    again = make_context("again", items="shared", timeout=60.0)
    run(again)
    assert states(again) == {"1": "ok", "2": "ok"}


@pytest.mark.parametrize("change", ["bytes", "gone"])
def test_a_file_that_changed_since_the_index_stops_the_stage(data: Path, write_index: Index, make_context: Make, change: str) -> None:
    path = write_video(data / "a.avi", 20)
    write_index({"1": "a.avi"})
    path.write_bytes(path.read_bytes() + b"!") if change == "bytes" else path.unlink()
    ctx = make_context()
    with pytest.raises(DataError, match=r"a\.avi changed while"):
        run(ctx)
    assert len(ctx.items) == 0


def test_a_file_that_changes_during_the_decode_is_noticed(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stages.sample import worker

    path = write_video(data / "a.avi", 20)
    job = worker.Job(str(path), hashlib.sha256(path.read_bytes()).hexdigest(), SampleParams(num_clips=2, frames_per_clip=4))
    assert not worker.sample_video(job).changed
    real = decode.read_chosen

    def meddling(*arguments: object) -> object:
        result = real(*arguments)
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        return result

    monkeypatch.setattr(decode, "read_chosen", meddling)
    assert worker.sample_video(job).changed


def test_equal_files_are_decoded_once_and_listed_twice(data: Path, write_index: Index, make_context: Make) -> None:
    path = write_video(data / "a.avi", 20)
    (data / "b.avi").write_bytes(path.read_bytes())
    write_index({"1": "a.avi", "2": "b.avi"})
    ctx = make_context()
    run(ctx)
    first, second = rows(ctx)
    assert (first.pop("id"), second.pop("id")) == ("1", "2") and first == second
    assert len(ctx.items) == 1


def test_oddities_are_all_in_the_reason(data: Path, write_index: Index, make_context: Make) -> None:
    path = write_video(data / "a.avi", 5)
    raw = bytearray(path.read_bytes())
    place = raw.index(b"strh") + 8 + 32
    raw[place : place + 4] = (9).to_bytes(4, "little")
    path.write_bytes(raw)
    write_index({"1": "a.avi"})
    ctx = make_context()
    run(ctx)
    (entry,) = ctx.ledger.sorted()
    assert entry.state == "fewer_frames"
    assert "promises 9 frames, 5 decode" in entry.reason and "frames are repeated" in entry.reason
    assert rows(ctx)[0]["count"] == 5


def test_jpeg_keeps_less(data: Path, write_index: Index, make_context: Make) -> None:
    write_video(data / "a.avi", 20, size=(160, 120))
    write_index({"1": "a.avi"})
    ctx = make_context(codec="jpeg", quality=90)
    run(ctx)
    frames = decode_payload(ctx.items.get(rows(ctx)[0]["media"]).payload)
    assert frames.images(int(frames.numbers[0])).shape == (120, 160, 3)


def test_the_artifact_holds_no_absolute_path(data: Path, write_index: Index, make_context: Make) -> None:
    write_index(_fill(data))
    ctx = make_context()
    run(ctx)
    assert str(data) not in (ctx.out / "frames.jsonl").read_text()
    for row in rows(ctx):
        assert str(data) not in json.dumps(ctx.items.get(row["media"]).meta)
