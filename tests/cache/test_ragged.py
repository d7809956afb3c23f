"""The store of frames of many videos: what is written is read, by video, by row, in batches, in other processes."""

from __future__ import annotations

import multiprocessing
import pickle
import weakref
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cache.errors import DataError, StoreError
from cache.ragged import RaggedFrames, RaggedWriter

Videos = dict[str, tuple[list[int], np.ndarray]]


def made(lengths: list[int], width: int = 5) -> Videos:
    rng = np.random.default_rng(0)
    return {f"vidéo{n}": (list(range(n % 3)), rng.integers(1, 256, (length, width), np.uint8)) for n, length in enumerate(lengths)}


def write(path: Path, videos: Videos, width: int = 5, *, dtype: str = "uint8") -> Path:
    rows = sum(len(frames) for _, frames in videos.values())
    with RaggedWriter(path, width, rows=rows, dtype=dtype, about={"release": "x", "rgb": 3}) as writer:
        for id, (labels, frames) in videos.items():
            writer.append(id, labels, frames[:, :2], frames[:, 2:])
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    videos = made([4, 0, 300, 1])
    store = RaggedFrames(write(tmp_path / "a.h5", videos))
    assert store.ids == list(videos)
    assert store.lengths.tolist() == [4, 0, 300, 1]
    assert (store.width, store.about) == (5, {"release": "x", "rgb": 3})
    for v, (labels, frames) in enumerate(videos.values()):
        assert store.labels(v).tolist() == labels
        assert (store.frames(v) == frames).all()
    assert (store.batch([2], [7, 299, 7])[0] == videos["vidéo2"][1][[7, 299, 7]]).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5"]


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    videos = made([4, 0, 7])
    assert write(tmp_path / "a", videos).read_bytes() == write(tmp_path / "b", videos).read_bytes()


def test_h5py_reads_it_as_it_is_and_the_rows_lie_at_their_offset(tmp_path: Path) -> None:
    videos = made([4, 3])
    path = write(tmp_path / "a.h5", videos)
    together = np.concatenate([frames for _, frames in videos.values()])
    with h5py.File(path) as file:
        assert sorted(file) == ["about", "frames", "ids", "labels_offsets", "labels_values", "offsets"]
        assert (file["frames"][:] == together).all()
        assert file["offsets"][:].tolist() == [0, 4, 7]
        assert [id.decode() for id in file["ids"][:]] == list(videos)
        assert (file["labels_values"][:].tolist(), file["labels_offsets"][:].tolist()) == ([0], [0, 0, 1])
        place = file["frames"].id.get_offset()
    assert path.read_bytes()[place : place + together.size] == together.tobytes()


@given(st.lists(st.integers(0, 6), min_size=1, max_size=6), st.data())
@settings(max_examples=50, deadline=None)
def test_a_batch_holds_the_rows_that_are_there_and_zeros(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], data: st.DataObject
) -> None:
    videos = made(lengths)
    store = RaggedFrames(write(tmp_path_factory.mktemp("r") / "a", videos))
    which = data.draw(st.lists(st.integers(0, len(lengths) - 1), max_size=5))
    rows = data.draw(st.lists(st.lists(st.integers(-2, 8), min_size=3, max_size=3), min_size=len(which), max_size=len(which)))
    batch = store.batch(which, np.array(rows, int).reshape(-1, 3))
    assert batch.shape == (len(which), 3, 5) and batch.dtype == np.uint8
    for video, numbers, got in zip(which, rows, batch):
        frames = list(videos.values())[video][1]
        for number, row in zip(numbers, got):
            assert (row == (frames[number] if 0 <= number < len(frames) else 0)).all()
    assert store.batch(which, [0, 2]).tolist() == [store.batch([video], [[0, 2]])[0].tolist() for video in which]


def test_a_writer_keeps_nothing_of_what_it_has_written(tmp_path: Path) -> None:
    payload = np.zeros(100, np.int32)
    gone = weakref.ref(payload)
    with RaggedWriter(tmp_path / "a", 5, rows=2) as writer:
        writer.append("x", payload[:2], np.zeros((2, 5), np.uint8))
        del payload
        assert gone() is None


def test_a_padded_batch_ends_in_zeros_and_is_cut_at_its_length(tmp_path: Path) -> None:
    videos = made([4, 0, 7])
    store = RaggedFrames(write(tmp_path / "a", videos))
    padded = store.padded([2, 1, 0], 5)
    assert padded.shape == (3, 5, 5)
    assert (padded[0] == videos["vidéo2"][1][:5]).all()
    assert not padded[1].any()
    assert (padded[2, :4] == videos["vidéo0"][1]).all() and not padded[2, 4].any()
    assert (padded == store.batch([2, 1, 0], np.arange(5))).all()


def test_means_of_videos_are_rows_of_floats(tmp_path: Path) -> None:
    means = np.linspace(-1, 1, 10, dtype=np.float32).reshape(2, 1, 5)
    videos: Videos = {"a": ([1], means[0]), "b": ([], means[1])}
    store = RaggedFrames(write(tmp_path / "a", videos, dtype="float32"))
    assert (store.batch([1, 0], [0]) == means[::-1]).all()


def test_it_can_be_sent_to_another_process(tmp_path: Path) -> None:
    videos = made([4, 3])
    store = RaggedFrames(write(tmp_path / "a", videos))
    assert len(pickle.dumps(store)) < 1000
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert (pool.apply(store.frames, (1,)) == videos["vidéo1"][1]).all()


def test_thousands_of_source_files_are_noted(tmp_path: Path) -> None:
    about = {"sources": [f"train{n:04d}.tfrecord" for n in range(4000)]}
    with RaggedWriter(tmp_path / "a", 5, rows=2, about=about) as writer:
        writer.append("x", [], np.zeros((2, 5), np.uint8))
    assert RaggedFrames(tmp_path / "a").about == about


def test_a_store_of_no_videos_and_a_video_without_frames_are_allowed(tmp_path: Path) -> None:
    assert len(RaggedFrames(write(tmp_path / "a", {}))) == 0
    store = RaggedFrames(write(tmp_path / "b", made([0])))
    assert store.batch([0], [0, 1]).tolist() == [[[0] * 5] * 2]


@pytest.mark.parametrize(
    "frames", [[np.zeros((2, 4), np.uint8)], [np.zeros((2, 5))], [np.zeros((2, 3), np.uint8), np.zeros((1, 2), np.uint8)]]
)
def test_rows_that_do_not_fit_are_refused(frames: list[np.ndarray], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="video x: "), RaggedWriter(tmp_path / "a", 5, rows=2) as writer:
        writer.append("x", [], *frames)


def test_more_or_fewer_rows_than_promised_are_refused(tmp_path: Path) -> None:
    for rows in (1, 3):
        with pytest.raises(StoreError, match=f"{rows} rows promised, 2 written"), RaggedWriter(tmp_path / "a", 5, rows=rows) as writer:
            writer.append("x", [], np.zeros((2, 5), np.uint8))


def test_every_way_of_being_cut_short_is_told(tmp_path: Path) -> None:
    data = write(tmp_path / "a", made([400, 3])).read_bytes()
    for size in range(0, len(data), 97):
        (tmp_path / "b").write_bytes(data[:size])
        with pytest.raises(DataError, match=r"cut short|no frame store"):
            RaggedFrames(tmp_path / "b")


def test_offsets_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a", made([4, 3]))
    with h5py.File(path, "r+") as file:
        file["offsets"][1] = 9
    with pytest.raises(DataError, match="its offsets do not fit 2 videos"):
        RaggedFrames(path)


def test_another_hdf5_file_is_told_apart(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a", "w") as file:
        file["frames"] = [1]
    with pytest.raises(DataError, match="no frame store of format 1"):
        RaggedFrames(tmp_path / "a")
    with pytest.raises(DataError, match="no frame store"):
        RaggedFrames(tmp_path / "none")
