"""The records of YouTube-8M as videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from formats.example import Feature, encode_example, encode_sequence_example
from formats.tfrecord import read_records
from formats.wire import WireError
from formats.youtube8m import Video, encode_frames, encode_means, parse_frames, parse_means, quantise

FILES = Path(__file__).parents[1] / "data" / "tfrecord"


def videos(name: str) -> list[Video]:
    parse = parse_means if name.startswith("video") else parse_frames
    return [parse(record.data) for record in read_records(FILES / f"{name}.tfrecord")]


def test_frame_level_records_are_videos() -> None:
    found = videos("train0093")
    assert [video.id for video in found] == ["nXSc", "Qk1d", "z0Zz", "aBc9"]
    assert [video.labels.tolist() for video in found] == [[0], [3, 77, 3861], [], [1, 11, 172, 522]]
    assert [(video.rgb.shape, video.audio.shape) for video in found] == [((n, 1024), (n, 128)) for n in (5, 20, 1, 12)]


def test_records_of_2017_call_the_id_video_id() -> None:
    assert [(video.id, video.rgb.shape) for video in videos("2017_trainAB")] == [("nXSc", (5, 1024))]


def test_video_level_records_are_videos_of_one_row_of_floats() -> None:
    found = videos("video_level_train0093")
    assert [(video.id, video.labels.tolist()) for video in found] == [("nXSc", [0]), ("Qk1d", [3, 77, 3861]), ("z0Zz", [])]
    assert [(video.rgb.shape, video.audio.shape, video.rgb.dtype.name) for video in found] == [((1, 1024), (1, 128), "float32")] * 3
    known = [[2.811804, -1.351866, -0.428808], [-1.150644, -0.060912, -0.908799], [-0.592728, 2.418138, 1.948851]]
    assert np.allclose([[*video.rgb[0, :2], video.audio[0, -1]] for video in found], known, atol=1e-6)


def test_a_video_is_written_and_read_again() -> None:
    video = Video("Qk1d", np.array([0, 7]), np.arange(48, dtype=np.uint8).reshape(3, 16), np.ones((3, 4), np.uint8))
    again = parse_frames(encode_frames(video), 16, 4)
    assert (again.id, again.labels.tolist()) == ("Qk1d", [0, 7])
    assert (again.rgb == video.rgb).all() and (again.audio == video.audio).all()
    means = Video("Qk1d", np.array([], np.int64), np.linspace(-1, 1, 16, dtype=np.float32)[None], np.zeros((1, 4), np.float32))
    assert (parse_means(encode_means(means), 16, 4).rgb == means.rgb).all()


def test_what_the_public_extractor_adds_is_passed_over_and_labels_are_a_set() -> None:
    context = {
        "id": Feature("bytes", [b"a"]),
        "labels": Feature("int64", [5, 1, 5]),
        "mean_rgb": Feature("float", np.zeros(1024, np.float32)),
    }
    video = parse_frames(encode_sequence_example(context, {"rgb": np.zeros((2, 1024), np.uint8)}))
    assert video.labels.tolist() == [1, 5]
    assert video.audio.shape == (0, 128)


@pytest.mark.parametrize(
    "context, lists, what",
    [
        ({"id": Feature("bytes", [b"a"])}, {"frames": np.zeros((2, 1024), np.uint8)}, "no sequence 'rgb'; there is: frames, id"),
        ({"name": Feature("bytes", [b"a"])}, {"rgb": np.zeros((2, 1024), np.uint8)}, "neither 'id' nor 'video_id'; there is: name"),
        ({"id": Feature("int64", [1])}, {"rgb": np.zeros((2, 1024), np.uint8)}, "'id' holds 1 values of kind int64"),
        ({"id": Feature("bytes", [b"a"])}, {"rgb": np.zeros((2, 2048), np.uint8)}, "'rgb': step 0 holds 2048 bytes, expected .* 1024"),
        (
            {"id": Feature("bytes", [b"a"]), "labels": Feature("float", np.zeros(2, np.float32))},
            {"rgb": np.zeros((2, 1024), np.uint8)},
            "'labels' are float",
        ),
    ],
)
def test_a_record_of_another_data_set_is_told_apart(context: dict[str, Feature], lists: dict[str, np.ndarray], what: str) -> None:
    with pytest.raises(WireError, match=what):
        parse_frames(encode_sequence_example(context, lists))


def test_the_two_levels_are_told_apart() -> None:
    frame = next(iter(read_records(FILES / "train0093.tfrecord"))).data
    mean = next(iter(read_records(FILES / "video_level_train0093.tfrecord"))).data
    with pytest.raises(WireError, match="no sequence 'rgb'; there is: id, labels, mean_audio, mean_rgb"):
        parse_frames(mean)
    with pytest.raises(WireError, match="'mean_rgb' holds 0 values"):
        parse_means(frame)
    with pytest.raises(WireError, match="'mean_rgb' holds 3 values of kind 'float', expected 1024 floats"):
        parse_means(encode_example({"id": Feature("bytes", [b"a"]), "mean_rgb": Feature("float", np.zeros(3, np.float32))}))


def test_whitened_values_become_bytes_by_the_published_rule() -> None:
    assert quantise(np.array([-3.0, -2.0, -0.01, 0.0, 0.01, 1.0, 2.0, 9.0])).tolist() == [0, 0, 127, 128, 128, 191, 255, 255]
