"""The world lies on disk as the official sets do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import av
import pytest

from cache.errors import ConfigError
from world.generate import generate
from world.plan import RATE
from world.truth import videos


def _rows(root: Path, split: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((root / f"{split}_qa.json").read_text())
    return rows


def test_mapping_file_has_one_name_a_line_and_no_final_newline(msvd: Path) -> None:
    text = (msvd / "youtube_mapping.txt").read_bytes()
    assert not text.endswith(b"\n") and b"\r" not in text
    lines = text.decode("ascii").split("\n")
    assert [line.split(" ")[1] for line in lines] == [f"vid{i}" for i in range(1, 17)]
    for line in lines:
        name = line.split(" ")[0]
        match = re.fullmatch(r"[A-Za-z0-9_-]{11}_(\d+)_(\d+)", name)
        assert match and int(match[1]) < int(match[2])
        assert (msvd / "YouTubeClips" / f"{name}.avi").is_file()


def test_msvd_annotations_have_the_official_fields_and_types(msvd: Path) -> None:
    ids = []
    for split in ("train", "val", "test"):
        for row in _rows(msvd, split):
            assert sorted(row) == ["answer", "id", "question", "video_id"]
            assert type(row["id"]) is int and type(row["video_id"]) is int
            assert isinstance(row["answer"], str) and isinstance(row["question"], str)
            ids.append(row["id"])
    assert ids == list(range(len(ids)))


def test_msrvtt_videos_lie_in_the_folder_of_their_split(msrvtt: Path) -> None:
    for split, folder in (("train", "TrainValVideo"), ("val", "TrainValVideo"), ("test", "TestVideo")):
        for row in _rows(msrvtt, split):
            assert sorted(row) == ["answer", "category_id", "id", "question", "video_id"]
            assert type(row["category_id"]) is int
            assert (msrvtt / folder / f"video{row['video_id']}.mp4").is_file()
    assert not (msrvtt / "youtube_mapping.txt").exists()


def test_splits_share_no_video(msvd: Path) -> None:
    sets = [{r["video_id"] for r in _rows(msvd, split)} for split in ("train", "val", "test")]
    assert [len(s) for s in sets] == [10, 2, 4]
    assert len(set.union(*sets)) == 16


@pytest.mark.parametrize("layout", ["msvd", "msrvtt"])
def test_every_file_decodes_to_the_planned_frames_with_sound(layout: str, request: pytest.FixtureRequest) -> None:
    root = request.getfixturevalue(layout)
    for row in list(videos(root))[:5]:
        with av.open(str(root / row["path"])) as container:
            stream = container.streams.video[0]
            assert stream.frames == row["plan"]["frames"]
            times = [frame.time for frame in container.decode(video=0)]
        assert times == pytest.approx([i / RATE for i in range(row["plan"]["frames"])], abs=1e-3)
        with av.open(str(root / row["path"])) as container:
            samples = sum(frame.samples for frame in container.decode(audio=0))
            rate = container.streams.audio[0].rate
        assert samples / rate == pytest.approx(row["plan"]["frames"] / RATE, abs=0.2)


def test_unknown_layout_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="msvd-qa"):
        generate(tmp_path / "w", "msvd", "tiny", 0)


def test_unknown_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="medium"):
        generate(tmp_path / "w", "msvd-qa", "mediun", 0)


def test_an_existing_world_is_not_overwritten(msvd: Path) -> None:
    with pytest.raises(ConfigError, match="already holds"):
        generate(msvd, "msvd-qa", "tiny", 3)
