"""Shards become frame stores; what is odd or damaged is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cache.errors import DataError
from cache.items import ItemSet
from cache.ragged import RaggedFrames
from cache.stage import Context
from formats.example import Feature, encode_example
from formats.youtube8m import Video, encode_frames, encode_means
from stages.ingest import IngestParams
from stages.ingest import run as ingest_run
from stages.ingest import shard as ingest_shard
from tests.ingest.conftest import AUDIO, RGB, shard, video

Ingest = Callable[..., Context]
FILES = Path(__file__).parents[1] / "data" / "tfrecord"


def test_each_partition_becomes_a_store_in_the_order_of_the_shards(tmp_path: Path, ingest: Ingest) -> None:
    a, b, c, d = video("a", 3, (1, 4)), video("b", 1, ()), video("c", 5), video("d", 2)
    root = tmp_path / "root"
    shard(root / "train0002.tfrecord", c)
    shard(root / "train0001.tfrecord", a, b)
    shard(root / "validate0000.tfrecord", d)
    ctx = ingest(root)
    train = RaggedFrames(ctx.out / "train.h5")
    assert train.ids == ["a", "b", "c"]
    for number, one in enumerate((a, b, c)):
        assert (train.frames(number) == np.concatenate([one.rgb, one.audio], axis=1)).all()
        assert train.labels(number).tolist() == one.labels.tolist()
    assert RaggedFrames(ctx.out / "validate.h5").ids == ["d"]
    facts = json.loads((ctx.out / "frames.json").read_text())
    assert facts["partitions"] == {
        "train": {"file": "train.h5", "videos": 3, "rows": 9},
        "validate": {"file": "validate.h5", "videos": 1, "rows": 2},
    }
    assert (facts["num_classes"], facts["rgb"], facts["audio"], facts["level"]) == (3862, RGB, AUDIO, "frame")
    assert [source["path"] for source in train.about["sources"]] == ["train0001.tfrecord", "train0002.tfrecord"]
    assert ctx.ledger.entries["train0001"].detail == {"videos": 2, "rows": 4, "unlabelled": 1}
    assert ctx.ledger.counts() == {"ok": 3}


def test_files_of_tensorflow_come_through_whole(tmp_path: Path, ingest: Ingest) -> None:
    root = tmp_path / "root"
    root.mkdir()
    for name in ("train0093", "validate0001"):
        (root / f"{name}.tfrecord").write_bytes((FILES / f"{name}.tfrecord").read_bytes())
    ctx = ingest(root, rgb=1024, audio=128)
    train = RaggedFrames(ctx.out / "train.h5")
    assert (train.ids, train.lengths.tolist(), train.width) == (["nXSc", "Qk1d", "z0Zz", "aBc9"], [5, 20, 1, 12], 1152)
    assert train.labels(1).tolist() == [3, 77, 3861]


def test_means_of_video_level_shards_are_rows_of_floats(tmp_path: Path, ingest: Ingest) -> None:
    means = Video("m", np.array([2]), np.linspace(-1, 1, RGB, dtype=np.float32)[None], np.ones((1, AUDIO), np.float32))
    shard(tmp_path / "root" / "train0000.tfrecord", encode_means(means))
    store = RaggedFrames(ingest(tmp_path / "root", level="video").out / "train.h5")
    assert np.array_equal(store.frames(0), np.concatenate([means.rgb, means.audio], axis=1))


def test_eigenvalues_are_handed_on_as_the_public_archive_has_them(tmp_path: Path, ingest: Ingest) -> None:
    shard(tmp_path / "root" / "train0000.tfrecord", video("a"))
    ctx = ingest(tmp_path / "root", about={"eigenvalues": [2.0, 0.5]})
    assert np.load(ctx.out / "eigenvals.npy").tolist() == [[2.0], [0.5]]
    assert not (ingest(tmp_path / "root").out / "eigenvals.npy").exists()


def test_ten_new_shards_cost_reading_ten(tmp_path: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root"
    for n in range(3):
        shard(root / f"train{n}.tfrecord", video(f"v{n}"))
    ingest(root)
    opened: list[str] = []
    read = ingest_run.read_shard
    monkeypatch.setattr(ingest_run, "read_shard", lambda path, *rest: opened.append(path.name) or read(path, *rest))
    for n in range(3, 13):
        shard(root / f"train{n}.tfrecord", video(f"v{n}"))
    ctx = ingest(root)
    assert sorted(opened) == sorted(f"train{n}.tfrecord" for n in range(3, 13))
    assert sorted(RaggedFrames(ctx.out / "train.h5").ids) == sorted(f"v{n}" for n in range(13))


def test_a_shard_that_was_half_read_is_read_again(tmp_path: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_shard, "PIECE_BYTES", 1)
    root = tmp_path / "root"
    whole = shard(root / "train0.tfrecord", video("a"), video("b"), video("c")).read_bytes()
    broken = bytearray(whole)
    broken[-6] ^= 1
    (root / "train0.tfrecord").write_bytes(broken)
    with pytest.raises(DataError, match="does not match"):
        ingest(root)
    (root / "train0.tfrecord").write_bytes(whole)
    assert RaggedFrames(ingest(root).out / "train.h5").ids == ["a", "b", "c"]


def test_a_piece_that_a_repair_put_aside_is_read_again(tmp_path: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_shard, "PIECE_BYTES", 1)
    root = tmp_path / "root"
    shard(root / "train0.tfrecord", video("a"), video("b"))
    ctx = ingest(root)
    items = ctx.items
    assert items is not None and len(items) == 3
    kept = [items.get(key) for key in list(items.keys())]
    for file in items.directory.glob("*.items"):
        file.unlink()
    again = ItemSet(items.directory)
    for item in kept[1:]:
        assert item is not None
        again.append(item.key, bytes(item.payload), item.meta)
    again.flush()
    assert RaggedFrames(ingest(root).out / "train.h5").ids == ["a", "b"]


def test_pieces_of_any_size_give_the_same_store(tmp_path: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root"
    shard(root / "train0.tfrecord", *(video(f"v{n}", n + 1, tuple(range(n % 3))) for n in range(20)))
    large = (ingest(root).out / "train.h5").read_bytes()
    monkeypatch.setattr(ingest_shard, "PIECE_BYTES", 50)
    assert (ingest(root, damaged="skip").out / "train.h5").read_bytes() == large


def test_a_long_video_is_cut_and_counted(tmp_path: Path, ingest: Ingest) -> None:
    long = video("long", 9)
    shard(tmp_path / "root" / "train0.tfrecord", long, video("short", 2))
    ctx = ingest(tmp_path / "root", max_frames=4)
    store = RaggedFrames(ctx.out / "train.h5")
    assert store.lengths.tolist() == [4, 2]
    assert (store.frames(0)[:, :RGB] == long.rgb[:4]).all()
    assert ctx.ledger.entries["train0"].detail["truncated"] == 1


def test_another_number_of_audio_frames_is_an_error_that_names_the_video(tmp_path: Path, ingest: Ingest) -> None:
    shard(tmp_path / "root" / "train0.tfrecord", video("a"), video("odd", 3, audio=2))
    with pytest.raises(DataError, match=r"train0\.tfrecord, byte \d+, video 'odd': 3 visual and 2 audio frames\n.*ingest.uneven=pad"):
        ingest(tmp_path / "root")


def test_audio_is_cut_or_filled_up_with_what_stands_for_zero_and_counted(tmp_path: Path, ingest: Ingest) -> None:
    short, long = video("short", 3, audio=1), video("long", 2, audio=5)
    shard(tmp_path / "root" / "train0.tfrecord", short, long)
    ctx = ingest(tmp_path / "root", uneven="pad")
    store = RaggedFrames(ctx.out / "train.h5")
    filled = store.frames(0)[:, RGB:]
    assert (filled[:1] == short.audio).all()
    assert np.abs(filled[1:] * (4 / 255) + 4 / 512 - 2).max() < 1e-4
    assert (store.frames(1)[:, RGB:] == long.audio[:2]).all()
    entry = ctx.ledger.entries["train0"]
    assert (entry.state, entry.detail["uneven"]) == ("padded", 2)


@pytest.mark.parametrize("name, kept", [("damaged_data", ["Lm_x"]), ("truncated", ["7tUe"])])
def test_a_damaged_shard_is_an_error_or_what_is_sound_is_used(name: str, kept: list[str], tmp_path: Path, ingest: Ingest) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "validate1.tfrecord").write_bytes((FILES / f"{name}.tfrecord").read_bytes())
    with pytest.raises(DataError, match=r"validate1\.tfrecord, byte (0|9438): "):
        ingest(root, rgb=1024, audio=128)
    ctx = ingest(root, rgb=1024, audio=128, damaged="skip")
    assert RaggedFrames(ctx.out / "validate.h5").ids == kept
    entry = ctx.ledger.entries["validate1"]
    assert (entry.state, entry.detail["damages"]) == ("damaged", 1)
    assert "1 damage(s), the first at byte" in entry.reason


def test_a_foreign_record_is_an_error_or_passed_over(tmp_path: Path, ingest: Ingest) -> None:
    foreign = encode_example({"image": Feature("bytes", [b"jpeg"])})
    shard(tmp_path / "root" / "train0.tfrecord", video("a"), foreign, video("b"))
    with pytest.raises(DataError, match=r"train0\.tfrecord, byte \d+: no frame-level record: no sequence 'rgb'"):
        ingest(tmp_path / "root")
    ctx = ingest(tmp_path / "root", damaged="skip")
    assert RaggedFrames(ctx.out / "train.h5").ids == ["a", "b"]
    assert ctx.ledger.entries["train0"].detail["damages"] == 1


def test_a_shard_of_which_nothing_can_be_read_is_lost(tmp_path: Path, ingest: Ingest) -> None:
    root = tmp_path / "root"
    shard(root / "train0.tfrecord", video("a"))
    (root / "train1.tfrecord").write_bytes(b"<html>not found</html>")
    ctx = ingest(root, damaged="skip")
    assert ctx.ledger.lost()[0].id == "train1"
    assert "looks like a web page" in ctx.ledger.lost()[0].reason
    (root / "train0.tfrecord").unlink()
    with pytest.raises(DataError, match="no shard holds a video"):
        ingest(root, damaged="skip")


def test_a_label_beyond_the_classes_is_an_error_that_names_the_video(tmp_path: Path, ingest: Ingest) -> None:
    shard(tmp_path / "root" / "train0.tfrecord", video("a"), video("b", labels=(1, 4716)))
    with pytest.raises(DataError, match=r"train0\.tfrecord, byte \d+, video 'b': label 4716, but there are 3862 classes\n.*release"):
        ingest(tmp_path / "root")
    assert json.loads((ingest(tmp_path / "root", num_classes=4717).out / "frames.json").read_text())["num_classes"] == 4717
    assert json.loads((ingest(tmp_path / "root", about={"num_classes": 4800}).out / "frames.json").read_text())["num_classes"] == 4800


def test_a_label_below_zero_is_an_error(tmp_path: Path, ingest: Ingest) -> None:
    shard(tmp_path / "root" / "train0.tfrecord", video("a", labels=(-1, 2)))
    with pytest.raises(DataError, match="video 'a': label -1"):
        ingest(tmp_path / "root")


def test_a_video_without_a_frame_is_left_out_and_counted(tmp_path: Path, ingest: Ingest) -> None:
    shard(tmp_path / "root" / "train0.tfrecord", video("none", 0), video("a"))
    ctx = ingest(tmp_path / "root")
    assert RaggedFrames(ctx.out / "train.h5").ids == ["a"]
    assert (ctx.ledger.entries["train0"].state, ctx.ledger.entries["train0"].detail["empty"]) == ("damaged", 1)


def test_videos_without_an_id_are_called_after_their_shard(tmp_path: Path, ingest: Ingest) -> None:
    shard(tmp_path / "root" / "train0.tfrecord", video("a"), video(""), video(""))
    assert RaggedFrames(ingest(tmp_path / "root").out / "train.h5").ids == ["a", "train0#1", "train0#2"]


def test_an_id_that_stands_twice_in_a_partition_is_an_error(tmp_path: Path, ingest: Ingest) -> None:
    shard(tmp_path / "root" / "train0.tfrecord", video("a"))
    shard(tmp_path / "root" / "train1.tfrecord", video("a", 4))
    with pytest.raises(DataError, match=r"video 'a' is in train0\.tfrecord and in train1\.tfrecord"):
        ingest(tmp_path / "root")


def test_a_shard_that_changed_since_it_was_indexed_is_refused(tmp_path: Path) -> None:
    path = shard(tmp_path / "train0.tfrecord", video("a"))
    with pytest.raises(DataError, match="changed since it was indexed"):
        list(ingest_shard.read_shard(path, "0" * 64, "frame", IngestParams(), ingest_shard.Tally()))


def test_a_shard_that_changes_while_it_is_read_is_refused_and_leaves_nothing_behind(
    tmp_path: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_shard, "PIECE_BYTES", 1)
    path = shard(tmp_path / "root" / "train0.tfrecord", video("a"), video("b"))
    other = shard(tmp_path / "other.tfrecord", video("c"), video("d"), video("e")).read_bytes()
    whole, read = path.read_bytes(), ingest_shard.read_records

    def changed(path: Path, skip: Any) -> Any:
        path.write_bytes(other)
        return read(path, skip)

    with monkeypatch.context() as patch:
        patch.setattr(ingest_shard, "read_records", changed)
        with pytest.raises(DataError, match="changed while it was being read"):
            ingest(tmp_path / "root")
    path.write_bytes(whole)
    assert RaggedFrames(ingest(tmp_path / "root").out / "train.h5").ids == ["a", "b"]


def test_memory_does_not_grow_with_the_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_shard, "PIECE_BYTES", 500)
    path = shard(tmp_path / "train0.tfrecord", *(video(f"v{n}", 10) for n in range(100)))
    tally = ingest_shard.Tally()
    params = IngestParams(rgb=RGB, audio=AUDIO)
    sizes = [piece.size for piece in ingest_shard.read_shard(path, ingest_shard.digest_file(path), "frame", params, tally)]
    assert sum(sizes) == 100 * 10 * (RGB + AUDIO) and max(sizes) <= 500 + 10 * (RGB + AUDIO)
    assert (tally.videos, tally.rows) == (100, 1000)


def test_a_frame_level_shard_read_as_video_level_is_told(tmp_path: Path, ingest: Ingest) -> None:
    shard(tmp_path / "root" / "train0.tfrecord", encode_frames(video("a")))
    with pytest.raises(DataError, match="no video-level record"):
        ingest(tmp_path / "root", level="video")
