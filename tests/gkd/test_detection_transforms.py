"""Windows of arrays as a network sees them: crops, mirrors, scale, padding; what reaches over the end is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cache.errors import DataError
from models.training.crops import At, Box
from systems.gkd.detection.arrays import open_arrays, write_frames
from systems.gkd.detection.transforms import centre_box, centre_windows, resize, training_view, window

FRAMES = np.random.default_rng(0).integers(0, 256, (40, 20, 24, 3), np.uint8)
BOX = Box(2, 5, 16, 16)


def test_a_window_is_cut_cropped_and_scaled() -> None:
    clip = window(FRAMES, 8, 16, BOX)
    wanted = FRAMES[8:24, 2:18, 5:21].transpose(3, 0, 1, 2).astype(np.float32) / 255 * 2 - 1
    assert clip.dtype == np.float32 and clip == pytest.approx(wanted)
    assert np.array_equal(window(FRAMES, 8, 16, BOX, mirror=True), clip[..., ::-1])


def test_mirrored_flow_keeps_the_sign_of_x_or_turns_it() -> None:
    flow = FRAMES[:10, ..., :2]
    plain, negated = (window(flow, 0, 16, BOX, mirror=True, flow_flip=how) for how in ("plain", "negated"))
    assert np.array_equal(negated[0, :10], -plain[0, :10]) and np.array_equal(negated[1], plain[1])
    assert (negated[:, 10:] == -1).all()
    assert np.array_equal(window(FRAMES, 0, 16, BOX, mirror=True, flow_flip="negated"), window(FRAMES, 0, 16, BOX, mirror=True))


@pytest.mark.parametrize(("padding", "value"), [("black", -1.0), ("grey", 0.0)])
def test_a_short_video_is_padded_behind_its_end(padding: str, value: float) -> None:
    clip = window(FRAMES, 0, 64, BOX, padding=padding)
    assert np.array_equal(clip[:, :40], window(FRAMES, 0, 40, BOX)) and (clip[:, 40:] == value).all()


@pytest.mark.parametrize("offset", [-1, 25, 40, 1000])
def test_a_window_over_the_end_of_a_video_is_refused(offset: int) -> None:
    with pytest.raises(DataError, match="of a video of 40 sampled frames"):
        window(FRAMES, offset, 16, BOX)


def test_a_video_without_frames_is_refused() -> None:
    with pytest.raises(DataError, match="a video of 0 sampled frames"):
        window(FRAMES[:0], 0, 16, BOX)


def test_the_published_centre_begins_at_8() -> None:
    assert centre_box(112, 112) == Box(8, 8, 96, 96)
    with pytest.raises(DataError, match="24 x 20 pixels"):
        centre_box(20, 24)


def test_centre_windows_are_made_one_at_a_time_and_padded_with_grey() -> None:
    found = list(centre_windows(FRAMES, [0, 10, 24], 16, 12))
    assert [clip.shape for clip in found] == [(3, 16, 12, 12)] * 3
    assert np.array_equal(found[2], window(FRAMES, 24, 16, centre_box(20, 24, 12)))
    assert (next(iter(centre_windows(FRAMES[:4], [0], 16, 12)))[:, 4:] == 0).all()


def test_training_views_are_a_function_of_place_and_reach_every_side() -> None:
    views = [training_view(At(1, 0, item), 20, 24, 16) for item in range(300)]
    assert views == [training_view(At(1, 0, item), 20, 24, 16) for item in range(300)]
    assert {box.top for box, _ in views} == set(range(5)) and {box.left for box, _ in views} == set(range(9))
    assert 100 < sum(mirror for _, mirror in views) < 200


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, Path]:
    np.save(tmp_path / "rgb.npy", FRAMES)
    np.save(tmp_path / "flow.npy", FRAMES[:37, ..., :2])
    return {"rgb": tmp_path / "rgb.npy", "flow": tmp_path / "flow.npy"}


def test_arrays_are_mapped_and_a_few_frames_more_or_less_are_said(paths: dict[str, Path]) -> None:
    opened = open_arrays(paths, 39)
    assert opened.length == 37 and {len(array) for array in opened.by_modality.values()} == {37}
    assert isinstance(opened.by_modality["rgb"].base, np.memmap) or isinstance(opened.by_modality["rgb"], np.memmap)
    for said in ("40 (", "37 (", "39 (the table of videos)"):
        assert said in opened.note
    assert open_arrays({"rgb": paths["rgb"]}, 40).note == ""


def test_counts_that_differ_by_more_are_refused(paths: dict[str, Path]) -> None:
    with pytest.raises(DataError, match=r"differ by 60.*rgb\.npy"):
        open_arrays(paths | {"flow": paths["rgb"].with_name("flow.npy")}, 97)


def test_missing_damaged_and_other_arrays_are_named(paths: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.npy cannot be read"):
        open_arrays({"rgb": tmp_path / "none.npy"})
    cut = tmp_path / "cut.npy"
    cut.write_bytes(paths["rgb"].read_bytes()[:-1000])
    with pytest.raises(DataError, match=r"cut\.npy is no npy file of numbers, or is cut short"):
        open_arrays({"rgb": cut})
    with pytest.raises(DataError, match=r"flow\.npy does not hold an array of uint8 \[any, any, any, 3\]"):
        open_arrays({"rgb": paths["flow"]})
    np.save(cut, FRAMES[:, :10, :, :2])
    with pytest.raises(DataError, match="pictures of 2 sizes"):
        open_arrays({"rgb": paths["rgb"], "flow": cut})


def test_frames_are_written_resized_one_at_a_time(tmp_path: Path) -> None:
    write_frames(tmp_path / "v.npy", iter(FRAMES), 40, 14)
    written = open_arrays({"rgb": tmp_path / "v.npy"}, 40).by_modality["rgb"]
    assert np.array_equal(written, resize(FRAMES, 14))
    with pytest.raises(ValueError, match="40 frames, where 41"):
        write_frames(tmp_path / "v.npy", iter(FRAMES), 41, 14)
