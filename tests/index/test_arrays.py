"""Arrays as files of a dataset: several a video, told apart by modality, and nothing but what the layout says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cache.digest import digest_file
from cache.npy import Form
from cache.stage import Context, Quiet
from pipeline.mediascan import scan
from stages.index.dataset import Annotation, Dataset, Layout, Video
from stages.index.run import run
from tests.index.conftest import lines

Make = Callable[..., Context]
FORMS = {"rgb": Form("uint8", (None, 4, 4, 3)), "flow": Form("uint8", (None, 4, 4, 2))}


def layout(root: Path) -> Layout:
    """Two arrays for each of two videos with one segment."""
    videos = [Video(id, f"{kind}/{id}.npy", ("test",), kind) for id in ("a", "b") for kind in FORMS]
    said = [Annotation(id, ("Diving",), (0.5, 1.5)) for id in ("a", "b")]
    dataset = Dataset(videos, splits=("test",), annotations=said, classes=("Diving",))
    return Layout(lambda root: iter(video.path for video in videos), lambda root: dataset, holds=("arrays", "segments"), arrays=FORMS)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for kind, channels in (("rgb", 3), ("flow", 2)):
        (tmp_path / kind).mkdir()
        for frames, id in ((5, "a"), (7, "b")):
            np.save(tmp_path / kind / f"{id}.npy", np.full((frames, 4, 4, channels), frames, np.uint8))
    monkeypatch.setattr("stages.index.run._layout", lambda name: layout(tmp_path))
    return tmp_path


def test_each_array_is_a_row_with_its_shape(root: Path, make_context: Make) -> None:
    ctx = make_context(root)
    run(ctx)
    media = lines(ctx.out / "media.jsonl")
    assert [(row["id"], row["modality"], row["shape"], row["dtype"]) for row in media] == [
        ("a", "rgb", [5, 4, 4, 3], "uint8"),
        ("a", "flow", [5, 4, 4, 2], "uint8"),
        ("b", "rgb", [7, 4, 4, 3], "uint8"),
        ("b", "flow", [7, 4, 4, 2], "uint8"),
    ]
    assert media[1]["path"] == "flow/a.npy" and media[1]["digest"] == digest_file(root / "flow" / "a.npy")
    assert lines(ctx.out / "annotations.jsonl")[1] == {"video_id": "b", "classes": ["Diving"], "segment": [0.5, 1.5]}
    about = json.loads((ctx.out / "dataset.json").read_text())
    assert (about["videos"], about["annotations"]) == (2, {"test": 2})


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (np.zeros((5, 4, 4, 3), np.uint8), "flow/a.npy does not hold an array of uint8 [any, 4, 4, 2], but uint8 [5, 4, 4, 3]"),
        (np.zeros((5, 4, 4, 2), np.float32), "but float32 [5, 4, 4, 2]"),
        (np.zeros((5, 4, 4), np.uint8), "but uint8 [5, 4, 4]"),
        (np.zeros((0, 4, 4, 2), np.uint8), "but uint8 [0, 4, 4, 2]"),
        (np.array([{"a": 1}], object), "flow/a.npy is no npy file of numbers"),
        (None, "flow/a.npy is not there"),
    ],
)
def test_another_array_is_lost_by_name_and_the_others_stay(root: Path, make_context: Make, wrong: np.ndarray | None, says: str) -> None:
    path = root / "flow" / "a.npy"
    path.unlink()
    if wrong is not None:
        np.save(path, wrong, allow_pickle=True)
    ctx = make_context(root)
    run(ctx)
    (lost,) = ctx.ledger.lost()
    assert (lost.id, lost.state) == ("a (flow)", "missing" if wrong is None else "not_media")
    assert says in lost.reason
    rows = {(row["id"], row["modality"]): row for row in lines(ctx.out / "media.jsonl")}
    assert rows["a", "flow"]["path"] is None and rows["a", "flow"]["digest"] is None
    assert sum(row["digest"] is not None for row in rows.values()) == 3


def test_an_array_that_is_cut_short_is_lost(root: Path, make_context: Make) -> None:
    path = root / "rgb" / "b.npy"
    path.write_bytes(path.read_bytes()[:-1])
    ctx = make_context(root)
    run(ctx)
    assert [(entry.id, entry.state) for entry in ctx.ledger.lost()] == [("b (rgb)", "not_media")]


def test_a_scan_holds_each_array_against_its_form(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("adapters", "holdings"):
        monkeypatch.setattr(f"stages.index.{module}.adapter", lambda name: layout(root))
    np.save(root / "flow" / "b.npy", np.zeros((7, 4, 4, 3), np.uint8))
    (root / "rgb" / "a.npy").unlink()
    tally = scan("arrays", root, memo="", decode=False, workers=1, timeout=60, keep=True, bar=Quiet)
    assert tally.noun == "arrays" and tally.rows is not None
    states = {row["id"]: row["state"] for row in tally.rows}
    assert states == {"a (rgb)": "missing", "a (flow)": "ok", "b (rgb)": "ok", "b (flow)": "not_media"}
