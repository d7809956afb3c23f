"""A shard is looked at before hours of work."""

from __future__ import annotations

from pathlib import Path

import pytest

from cache.stage import Quiet
from formats.examine import examine
from formats.tfrecord import RecordWriter
from media.examine import Look
from pipeline.mediascan import scan

FILES = Path(__file__).parents[1] / "data" / "tfrecord"


@pytest.mark.parametrize(
    "name, decode, state, count",
    [
        ("train0093", True, "ok", 4),
        ("train0093", False, "ok", None),
        ("video_level_train0093", True, "ok", 3),
        ("damaged_data", True, "damaged", 1),
        ("damaged_length_crc", True, "undecodable", 0),
        ("damaged_length_crc", False, "undecodable", None),
        ("truncated", True, "damaged", 1),
        ("truncated", False, "ok", None),
    ],
)
def test_the_state_of_a_shard_is_told(name: str, decode: bool, state: str, count: int | None) -> None:
    path = FILES / f"{name}.tfrecord"
    found = examine(Look(str(path), decode))
    assert (found["state"], found["count"], found["size"]) == (state, count, path.stat().st_size)
    assert bool(found["reason"]) == (state != "ok")


def test_a_shard_of_other_things_is_told(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "x") as writer:
        writer.write(b"\x0bnot an example")
    assert "no example" in examine(Look(str(tmp_path / "x"), True))["reason"]
    (tmp_path / "y").write_bytes(b"")
    assert examine(Look(str(tmp_path / "y")))["state"] == "empty"
    assert examine(Look(str(tmp_path / "z")))["state"] == "missing"


def test_doctor_looks_at_shards_as_shards(tmp_path: Path) -> None:
    for name in ("train0093", "truncated"):
        (tmp_path / f"train-{name}.tfrecord").write_bytes((FILES / f"{name}.tfrecord").read_bytes())

    tally = scan("yt8m", tmp_path, memo="", decode=True, workers=1, timeout=60, keep=True, bar=Quiet)
    assert dict(tally.counts) == {"ok": 1, "damaged": 1}
    assert tally.unused == []
