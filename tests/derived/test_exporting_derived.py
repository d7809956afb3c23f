"""What was derived leaves the store in the files that other code bases read, and comes back from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cache.errors import KdpipeError, StoreError
from cache.stage import Quiet
from cache.store import Store
from formats import afsd_npy, clip_list, flo, l8, two_stream
from formats.alphapose import read_results
from formats.clip_list import Clip
from media.codings.quantise import quantise
from pipeline.derived import Derivation
from pipeline.exporting_derived import FORMS, export
from pipeline.labels import Labels
from tests.derived.conftest import VIDEOS, flow, frame, people

Make = Callable[..., Derivation]
NAMES = {"v_Surfing_g01_c01": "v_Surfing_g01_c01", "v_Rock Climbing_g02_c01": "v_Rock_Climbing_g02_c01"}
ESCAPED = "%2E.%2Fv_%53urfing_g03_c01"


def close(ours: np.ndarray, theirs: np.ndarray, most: int = 12) -> bool:
    return bool(np.abs(ours.astype(int) - theirs.astype(int)).max() <= most)


@pytest.mark.parametrize("coding", ["wheel", "float", "xy"])
def test_l8_has_a_picture_for_every_frame_beside_the_frame_itself(tmp_path: Path, derived: Make, coding: str) -> None:
    found = derived("flow", coding)
    assert export(found, tmp_path / "data", "l8", Quiet, frames=True) == 3
    assert l8.videos(tmp_path / "data", "flow") == l8.videos(tmp_path / "data", "rgb")
    assert ("Rock_Climbing", "v_Rock_Climbing_g02_c01") in l8.videos(tmp_path / "data", "flow")
    for row in found.rows:
        name, label = NAMES.get(row["id"], ESCAPED), VIDEOS[row["id"]][0].replace(" ", "_")
        flows, frames = (l8.read(l8.folder_of(tmp_path / "data", kind, label, name)) for kind in ("flow", "rgb"))
        numbers = VIDEOS[row["id"]][2]
        assert len(flows) == len(frames) == len(numbers)
        for number, ours, rgb in zip(numbers, flows, frames):
            assert close(rgb, frame(row["id"], number))
            assert np.abs(ours.astype(float) - found.pictures(row)(number)).mean() < 6


@pytest.mark.parametrize("coding", ["xy", "float"])
@pytest.mark.parametrize(("form", "tool", "inner"), [("two-stream", "dense_flow", "frames"), ("denseflow", "denseflow", "")])
def test_folders_of_pictures_have_the_flow_between_neighbours(
    tmp_path: Path, derived: Make, form: str, tool: str, inner: str, coding: str
) -> None:
    export(derived("flow", coding), tmp_path / "out", form, Quiet, frames=True)
    folder = two_stream.read(tmp_path / "out" / inner / "v_Surfing_g01_c01")
    assert folder.tool == two_stream.TOOLS[tool] and folder.count == 4
    for k in range(4):
        assert close(folder.flow(k), quantise(flow("", k), "denseflow", 20.0), 6)
    assert close(folder.frame(3), frame("v_Surfing_g01_c01", 3))
    assert folder.frames == tuple(range(folder.tool.first, 5))


def test_lists_name_the_folders_with_their_counts_and_labels(tmp_path: Path, derived: Make) -> None:
    export(derived("flow", "xy"), tmp_path / "out", "two-stream", Quiet)
    lists = tmp_path / "out" / "settings" / "ucf101"
    assert sorted(path.name for path in lists.iterdir()) == ["train_flow_split1.txt", "val_flow_split1.txt"]
    assert clip_list.read(lists / "train_flow_split1.txt") == [Clip("v_Surfing_g01_c01", 4, 1)]
    assert clip_list.read(lists / "val_flow_split1.txt") == [Clip(ESCAPED, 2, 1), Clip("v_Rock_Climbing_g02_c01", 3, 0)]


def test_pictures_that_are_jpeg_are_copied_and_not_encoded_again(tmp_path: Path, derived: Make) -> None:
    found = derived("flow", "xy", codec="jpeg", quality=80)
    export(found, tmp_path / "out", "denseflow", Quiet)
    from media.frames import decode_payload

    kept = decode_payload(found.payload(found.rows[0]))
    assert kept.coded is not None
    assert (tmp_path / "out" / "v_Surfing_g01_c01" / "flow_y_00001.jpg").read_bytes() == kept.coded(1)[1]


@pytest.mark.parametrize("coding", ["xy", "float"])
def test_afsd_has_a_flow_for_every_frame(tmp_path: Path, derived: Make, coding: str) -> None:
    export(derived("flow", coding, codec="png"), tmp_path / "out", "afsd", Quiet)
    flows = afsd_npy.read(tmp_path / "out" / "v_Surfing_g01_c01.npy", frames=5)
    assert close(flows, np.stack([quantise(flow("", k), "denseflow", 20.0) for k in range(5)]), 1)


def test_flo_has_the_numbers_to_float16(tmp_path: Path, derived: Make) -> None:
    export(derived("flow", "float"), tmp_path / "out", "flo", Quiet)
    files = sorted((tmp_path / "out" / "v_Rock_Climbing_g02_c01").iterdir())
    assert [path.name for path in files] == ["000000.flo", "000001.flo", "000002.flo"]
    assert np.array_equal(flo.read(files[2]), flow("", 2).astype(np.float16).astype(np.float32))


def test_keypoints_come_out_as_they_are(tmp_path: Path, derived: Make) -> None:
    export(derived("skeleton", "keypoints"), tmp_path / "out", "keypoints", Quiet)
    with np.load(tmp_path / "out" / "v_Surfing_g01_c01.npz", allow_pickle=False) as arrays:
        assert arrays["people"].tolist() == [0, 1, 2, 0, 1] and arrays["numbers"].tolist() == [0, 1, 2, 3, 4]
        assert np.array_equal(arrays["keypoints"][1:3], people("", 2).keypoints) and arrays["size"].tolist() == [24, 32]


def test_alphapose_results_are_read_back_by_the_frames_numbers(tmp_path: Path, derived: Make) -> None:
    export(derived("skeleton", "keypoints"), tmp_path / "out", "alphapose", Quiet)
    found = read_results(tmp_path / "out" / "v_Surfing_g01_c01" / "alphapose-results.json")
    assert list(found) == ["1.jpg", "2.jpg", "4.jpg"]  # nobody is in the others
    assert np.array_equal(found["2.jpg"].keypoints, people("", 2).keypoints) and np.array_equal(found["2.jpg"].scores, people("", 2).scores)


@pytest.mark.parametrize(
    ("kind", "coding", "form", "said"),
    [
        ("flow", "wheel", "two-stream", "two-stream is written from xy or float; derive.flow is kept as wheel"),
        ("depth", "float", "flo", "flo is for flow, and derive.depth holds depth"),
        ("flow", "float", "keypoints", "keypoints is for skeleton"),
    ],
)
def test_what_a_form_cannot_hold_is_said_with_what_to_derive(
    tmp_path: Path, derived: Make, kind: str, coding: str, form: str, said: str
) -> None:
    with pytest.raises(KdpipeError, match=said):
        export(derived(kind, coding), tmp_path / "out", form, Quiet)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("form", ["two-stream", "denseflow", "afsd", "flo"])
def test_nothing_is_written_over_and_an_empty_directory_will_do(tmp_path: Path, derived: Make, form: str) -> None:
    found = derived("flow", "float")
    out = tmp_path / "out"
    out.mkdir()
    export(found, out, form, Quiet)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(KdpipeError, match="there already"):
        export(found, out, form, Quiet)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before and before


def test_a_failure_leaves_nothing_behind(tmp_path: Path, derived: Make, store: Store) -> None:
    found = derived("flow", "float")
    found.rows[-1]["frames"] = "0" * 64
    for form in ("denseflow", "l8"):
        with pytest.raises(StoreError, match="not what was recorded"):
            export(found, tmp_path / "out", form, Quiet)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and store.root not in path.parents]


def test_every_form_is_offered_on_the_command_line() -> None:
    from pipeline.cli.export_derived import FORMS as OFFERED

    assert tuple(FORMS) == OFFERED


@pytest.mark.parametrize("rule", ["denseflow", "mmaction", "i3d"])
def test_pictures_of_flow_in_eight_bits_are_white_where_nothing_moves(tmp_path: Path, derived: Make, rule: str) -> None:
    found = derived("flow", "xy", still=True, rule=rule)
    assert (found.pictures(found.rows[0])(2) == 255).all()


@pytest.mark.parametrize("form", ["two-stream", "denseflow"])
def test_frames_that_a_short_video_repeats_stand_once_beside_its_flows(tmp_path: Path, derived: Make, form: str) -> None:
    export(derived("flow", "xy", still=True), tmp_path / "out", form, Quiet, frames=True)
    folder = two_stream.read(next((tmp_path / "out").rglob("v_Surfing_g01_c01")))
    assert folder.count == 4 and folder.frames == tuple(range(folder.tool.first, 5))
    assert close(folder.frame(3), frame("v_Surfing_g01_c01", 3))


def test_a_video_without_a_flow_is_in_no_list(tmp_path: Path, derived: Make) -> None:
    labels = Labels.of(derived("flow", "xy"))
    names = {id: f"video{number}" for number, id in enumerate(VIDEOS)}
    labels.write_lists(tmp_path, dict.fromkeys(VIDEOS, 0) | {"v_Rock Climbing_g02_c01": 3}, names, False)
    assert clip_list.read(tmp_path / "ucf101" / "val_flow_split1.txt") == [Clip("video1", 3, 0)]
