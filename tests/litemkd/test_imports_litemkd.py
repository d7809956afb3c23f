"""The authors' trees in place of what would be computed: features of frames, and pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cache.errors import ConfigError, DataError
from cache.items import ItemSet
from cache.ledger import Ledger
from cache.stage import Context, Quiet
from stages.imported import ImportedParams
from stages.imported.ids import match
from stages.imported.run import run
from stages.imported.source import digest
from systems.litemkd import nodes, possible
from systems.litemkd.clips import Clips
from systems.litemkd.dumped import Dumped
from tests.litemkd.conftest import Bench, Chain
from tests.settings import graph

MM, RGB = {"mm_features": "extract.mm_features"}, {"rgb_features": "extract.rgb_features"}
VIDEOS = {"v_Jump_g01": "Jump", "v_Jump_g02": "Jump", "v_Run_g01": "Run"}


def write_npy(root: Path, shape: tuple[int, ...], leave_out: str = "") -> Path:
    for number, (id, label) in enumerate(VIDEOS.items()):
        if id != leave_out:
            folder = root / label / id.lower()  # the authors' names are in small letters
            folder.mkdir(parents=True)
            np.save(folder / "feature.npy", np.full(shape, number, np.float32))
    return root


def write_pictures(root: Path, counts: dict[str, int] | None = None) -> Path:
    for number, (id, label) in enumerate(VIDEOS.items()):
        folder = root / label / id
        folder.mkdir(parents=True)
        for place in range((counts or {}).get(id, 8)):
            Image.new("RGB", (20, 12), (40 * number, 20 * place, 0)).save(folder / f"{place + 1:08d}.jpg", quality=95)
    return root


@pytest.fixture
def imported(tmp_path: Path) -> Callable[..., Context]:
    """Import a tree as a kind."""
    index = tmp_path / "index"
    index.mkdir()
    (index / "media.jsonl").write_text("".join(json.dumps({"id": id}) + "\n" for id in VIDEOS))
    (index / "dataset.json").write_text(json.dumps({"name": "toy"}))

    def run_it(tree: Path, kind: str, **changes: Any) -> Context:
        out = tmp_path / f"out.{kind}"
        out.mkdir()
        params = ImportedParams(kind=kind, sha256=digest(tree, Quiet, kind), file=str(tree), **changes)
        ctx = Context(params, out, out, Ledger(), Quiet, inputs={"index": index}, items=ItemSet(tmp_path / f"{kind}.items"))
        run(ctx)
        return ctx

    return run_it


@pytest.mark.parametrize("kind, shape", [("mm_features", (1, 8, 6)), ("rgb_features", (8, 6))])
def test_features_are_read_as_dumps_are_and_a_missing_video_shifts_none(
    tmp_path: Path, imported: Callable[..., Context], kind: str, shape: tuple[int, ...]
) -> None:
    ctx = imported(write_npy(tmp_path / kind, shape, leave_out="v_Jump_g02"), kind)
    found = Dumped(ctx.out)
    assert (found.ids, found.frames, found.width) == (["v_Jump_g01", "v_Run_g01"], 8, 6)
    assert found.features(["v_Run_g01", "v_Jump_g01"]).mean((1, 2)).tolist() == [2.0, 0.0]
    assert ctx.ledger.entries["v_Jump_g02"].state == "missing"
    assert found.about["imported"]["sha256"] == ctx.params.sha256


def test_features_that_are_not_finite_are_lost_by_name(tmp_path: Path, imported: Callable[..., Context]) -> None:
    tree = write_npy(tmp_path / "mm_features", (1, 8, 6))
    np.save(tree / "Run" / "v_run_g01" / "feature.npy", np.full((1, 8, 6), np.nan, np.float32))
    ctx = imported(tree, "mm_features")
    assert ctx.ledger.entries["v_Run_g01"].state == "non_finite" and Dumped(ctx.out).ids == ["v_Jump_g01", "v_Jump_g02"]


@pytest.mark.parametrize("shape", [(6,), (2, 8, 6)])
def test_features_of_another_shape_are_refused(tmp_path: Path, imported: Callable[..., Context], shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="are no mm_features"):
        imported(write_npy(tmp_path / "mm_features", shape), "mm_features")


@pytest.mark.parametrize("kind", ["rgb_l8", "flow_l8"])
def test_pictures_are_read_as_clips_and_their_files_are_kept(tmp_path: Path, imported: Callable[..., Context], kind: str) -> None:
    tree = write_pictures(tmp_path / kind)
    ctx = imported(tree, kind)
    assert ctx.items is not None
    clips = Clips(ctx.out, ctx.items)
    assert clips.ids == list(VIDEOS) and clips.clip("v_Run_g01").shape == (8, 12, 20, 3)
    file = tree / "Run" / "v_Run_g01" / "00000003.jpg"
    assert np.array_equal(clips.clip("v_Run_g01")[2], np.asarray(Image.open(file)))
    assert ctx.items.get(clips.digest("v_Run_g01")).payload.count(file.read_bytes()) == 1  # type: ignore[union-attr]


def test_pictures_of_videos_that_cannot_be_used_are_named(tmp_path: Path, imported: Callable[..., Context]) -> None:
    tree = write_pictures(tmp_path / "rgb_l8", {"v_Jump_g01": 5, "v_Jump_g02": 9})
    (tree / "Run" / "v_Run_g01" / "00000002.jpg").write_bytes(b"no picture")
    ctx = imported(tree, "rgb_l8")
    reasons = {id: (entry.state, entry.reason) for id, entry in ctx.ledger.entries.items()}
    assert reasons["v_Jump_g01"] == ("noted", "5 pictures, not 8")
    assert reasons["v_Jump_g02"][0] == "failed" and "9 pictures" in reasons["v_Jump_g02"][1]
    assert reasons["v_Run_g01"][0] == "failed" and "Run/v_Run_g01/00000002.jpg is no picture" in reasons["v_Run_g01"][1]
    clips = Clips(ctx.out, ctx.items)  # type: ignore[arg-type]
    assert not clips.ids and "5 frames" in clips.short["v_Jump_g01"]


def test_pictures_of_a_video_that_differ_in_size_are_refused(tmp_path: Path, imported: Callable[..., Context]) -> None:
    tree = write_pictures(tmp_path / "rgb_l8")
    Image.new("RGB", (8, 8)).save(tree / "Run" / "v_Run_g01" / "00000002.jpg")
    assert "differ in size: 20 x 12, 8 x 8" in imported(tree, "rgb_l8").ledger.entries["v_Run_g01"].reason


def test_a_tree_that_was_changed_is_not_what_was_imported(tmp_path: Path, imported: Callable[..., Context]) -> None:
    tree = write_pictures(tmp_path / "rgb_l8")
    ctx = imported(tree, "rgb_l8")
    Image.new("RGB", (20, 12)).save(tree / "Run" / "v_Run_g01" / "00000001.jpg")
    with pytest.raises(DataError, match="is not what was imported"):
        run(ctx)


def test_names_are_matched_as_the_published_lists_are_read() -> None:
    known = ["abc", "ABC", "Drop Kick_2", "x/y"]
    found = ["k/ABC/feature", "k/abc/feature", "k/drop_kick_2/feature", "k/other/feature", "k/aBc/feature"]
    matched = match(found, known, "folder")
    assert matched.rows == {"abc": 1, "ABC": 0, "Drop Kick_2": 2}
    assert matched.missing == ("x/y",) and set(matched.unexpected) == {"k/other/feature", "k/aBc/feature"}


def test_a_student_of_imported_fused_features_needs_no_teacher_and_no_expert() -> None:
    found = graph(nodes, MM, student__teacher_head="random")
    assert found["student.kd.s0"].reads == {"index": "index", "frames": "sample", "features": "extract.mm_features"}
    assert {name.rpartition(".s")[0] for name in found} >= {"student.kd", "student.rgb", "student.alone", "evaluate"}
    assert not {"teacher.s0", "dump.fused.s0", "expert.flow.s0"} & set(found)
    assert "expert.rgb.s0" in found and found["evaluate.s0"].reads["dump.rgb"] == "dump.rgb.s0"


def test_with_both_features_imported_only_students_are_left() -> None:
    found = graph(nodes, MM | RGB, student__teacher_head="random")
    assert {node.stage.name for node in found.values()} == {"student", "evaluate", "timing"}
    assert found["student.rgb.s0"].reads["features"] == "extract.rgb_features"


def test_the_head_on_imported_features_is_that_of_a_published_checkpoint_or_is_asked_for() -> None:
    headless = graph(nodes, MM)
    with pytest.raises(ConfigError, match=r"student\.kd learns from imported features") as caught:
        possible.check({"student.kd.s0": headless["student.kd.s0"]})
    assert "teacher.checkpoint" in caught.value.hint
    headed = graph(nodes, MM, teacher__checkpoint="checkpoint50000.pt")
    assert headed["student.kd.s0"].reads["teacher"] == "teacher.s0" and not headed["teacher.s0"].reads
    possible.check({"student.kd.s0": headed["student.kd.s0"]})
    assert "teacher" not in headed["evaluate.s0"].reads


def test_imported_pictures_stand_for_sampled_and_derived_ones() -> None:
    kinds = {"rgb_l8": "sample", "flow_l8": "derive.flow"}
    found = graph(nodes, kinds)
    assert found["expert.flow.s0"].reads["frames"] == "derive.flow" and found["student.alone.s0"].reads["frames"] == "sample"


def test_a_student_learns_from_imported_features_and_says_so(chain: Chain, bench: Bench, tmp_path: Path) -> None:
    tree, dumped = tmp_path / "mm_features", Dumped(chain.fused)
    for id, (_, label) in bench.videos.items():
        (tree / label / id).mkdir(parents=True)
        np.save(tree / label / id / "feature.npy", dumped.features([id]).numpy())
    out = tmp_path / "imported"
    out.mkdir()
    params = ImportedParams(kind="mm_features", sha256=digest(tree, Quiet, "mm_features"), file=str(tree))
    run(Context(params, out, out, Ledger(), Quiet, inputs={"index": bench.index}))
    own = bench.student({"features": chain.fused}, "student.own", learns_from="fused", teacher_head="random")
    theirs = bench.student({"features": out}, "student.theirs", learns_from="fused", teacher_head="random")
    assert (own / "model.safetensors").read_bytes() == (theirs / "model.safetensors").read_bytes()
    assert json.loads((theirs / "model.json").read_text())["imported"]["sha256"] == params.sha256
