"""The extract stage: rows depend on their frames alone, nothing is computed twice, nothing is lost in silence."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from cache import paced
from cache.errors import ConfigError, DataError, StoreError
from cache.hdf5 import FeatureReader
from media.frames import decode_payload
from models.backbones.inputs import network_input
from models.backbones.registry import build
from stages.extract import ExtractParams
from stages.extract import run as work
from stages.extract.network import load_network
from stages.extract.resize import resize
from stages.extract.run import run
from tests.openvino import openvino_or_skip


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_appearance_and_motion_files_have_the_communitys_layout(sampled, context) -> None:
    sampled()
    for kind, shape in (("appearance", (3, 4, 128)), ("motion", (3, 128))):
        ctx = context(kind, kind=kind)
        run(ctx)
        about = json.loads((ctx.out / "features.json").read_text())
        assert sorted(path.name for path in ctx.out.iterdir()) == ["features.json", f"msvd-qa_{kind}_feat.h5"]
        with FeatureReader(ctx.out / about["file"], about["array"]) as reader:
            assert (reader.ids, reader.shape) == (["1", "2", "10"], shape)
            rows = reader.all()
        assert np.isfinite(rows).all() and (rows >= 0).all() and rows.std() > 0
        assert (about["random"], about["width"], about["clips"], about["zero_rows"]) == (True, 128, 3, [])
        assert about["frames"] == (4 if kind == "appearance" else None)
        assert ctx.ledger.counts() == {"ok": 3}


def test_every_place_of_a_clip_holds_the_feature_of_its_frame(sampled, context) -> None:
    sampled(["5"], count=3, clips=2)
    ctx = context()
    run(ctx)
    row = FeatureReader(ctx.out / "msvd-qa_appearance_feat.h5").row(5)
    media = json.loads((ctx.inputs["sample"] / "frames.jsonl").read_text())["media"]
    clip = decode_payload(ctx.input_items["sample"].get(media).payload)
    net = load_network(ExtractParams().network, "random", None, image_size=112, frames=4, seed=0, device="cpu")
    with torch.inference_mode():
        for c, f in np.ndindex(2, 4):
            image = resize(clip.images(int(clip.index[c, f])), 112)
            alone = net.feature(torch.from_numpy(network_input(image[None], "paper"))).numpy()[0]
            assert np.allclose(row[c, f], alone, atol=1e-5)


@pytest.mark.parametrize("kind", ["appearance", "motion"])
def test_bits_do_not_depend_on_company_order_workers_or_threads(sampled, context, kind: str) -> None:
    seeds = {"1": 11, "2": 22, "3": 33, "4": 44}
    sampled(["2"], seeds=seeds, count=40, clips=9)
    alone = context("alone", kind=kind)
    run(alone)
    sampled(["1", "2", "3", "4"], seeds=seeds, count=40, clips=9)
    first, second = context("first", kind=kind), context("second", kind=kind, workers=4)
    run(first)
    run(second)
    assert files(first.out) == files(second.out)
    name = f"msvd-qa_{kind}_feat.h5"
    assert np.array_equal(FeatureReader(alone.out / name).row(2), FeatureReader(first.out / name).row(2))


def test_a_killed_run_goes_on_where_it_was(sampled, context, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = ["1", "2", "3", "4"]
    sampled(ids)
    whole = context("whole")
    run(whole)
    real, seen = work.infer, []

    def dying(*how):
        for done, row in enumerate(real(*how)):
            if done == 2:
                raise KeyboardInterrupt
            yield row

    monkeypatch.setattr(paced, "SHARE", float("inf"))
    monkeypatch.setattr(work, "infer", dying)
    with pytest.raises(KeyboardInterrupt):
        run(context("killed", items="shared.items"))
    monkeypatch.setattr(work, "infer", real)
    note_loaded(monkeypatch, seen)
    again = context("again", items="shared.items")
    run(again)
    assert len(seen) == 2
    assert files(again.out) == files(whole.out)


def note_loaded(monkeypatch: pytest.MonkeyPatch, seen: list[str]) -> None:
    """Note in ``seen`` the digest of every video that is loaded from now on."""
    real = work.load_clips
    monkeypatch.setattr(work, "load_clips", lambda items, media, digest, *rest: seen.append(digest) or real(items, media, digest, *rest))


def test_equal_frames_are_computed_once(sampled, context, monkeypatch: pytest.MonkeyPatch) -> None:
    sampled(["1", "2", "3"], seeds={"1": 7, "2": 7, "3": 8})
    seen: list[str] = []
    note_loaded(monkeypatch, seen)
    ctx = context()
    run(ctx)
    reader = FeatureReader(ctx.out / "msvd-qa_appearance_feat.h5")
    assert len(seen) == 2
    assert np.array_equal(reader.row(1), reader.row(2))


def test_lost_videos_get_zeros_that_are_named_or_no_row(sampled, context) -> None:
    sampled(["1", "2", "3"], lost=["2"])
    zeros, none = context("zeros", lost_videos="zeros"), context("none")
    run(zeros)
    run(none)
    reader = FeatureReader(zeros.out / "msvd-qa_appearance_feat.h5")
    assert not reader.row(2).any() and reader.row(1).any()
    assert json.loads((zeros.out / "features.json").read_text())["zero_rows"] == ["2"]
    entry = zeros.ledger.entries["2"]
    assert (entry.state, entry.outcome) == ("lost_before", "degraded") and "undecodable: not one frame decodes" in entry.reason
    assert FeatureReader(none.out / "msvd-qa_appearance_feat.h5").ids == ["1", "3"]
    sampled(["1"], lost=["1"])
    with pytest.raises(DataError, match="no usable video"):
        run(context("empty"))


def test_features_that_are_not_finite_are_losses(sampled, context, monkeypatch: pytest.MonkeyPatch) -> None:
    sampled()
    ctx = context()
    bad = json.loads((ctx.inputs["sample"] / "frames.jsonl").read_text().splitlines()[1])["frames"]
    real = work.infer
    monkeypatch.setattr(work, "infer", lambda *how: ((digest, rows * (np.nan if digest == bad else 1)) for digest, rows in real(*how)))
    run(ctx)
    assert ctx.ledger.counts() == {"ok": 2, "non_finite": 1}
    assert FeatureReader(ctx.out / "msvd-qa_appearance_feat.h5").ids == ["1", "10"]


def test_frames_that_changed_under_way_are_refused(sampled, context) -> None:
    sampled(["1"])
    ctx = context()
    path = ctx.inputs["sample"] / "frames.jsonl"
    row = json.loads(path.read_text())
    path.write_text(json.dumps({**row, "frames": hashlib.sha256(b"other").hexdigest()}) + "\n")
    with pytest.raises(StoreError, match="not what the stage that made them recorded"):
        run(ctx)


def test_a_weights_file_is_used_and_unfit_or_unnamed_weights_are_explained(sampled, context, tmp_path: Path) -> None:
    sampled(["1"])
    torch.manual_seed(3)
    path = tmp_path / "w.safetensors"
    save_file(build("small2d").state_dict(), path)
    ctx = context("file", weights="file", files={"weights_file": path})
    run(ctx)
    torch.manual_seed(3)
    other = context("random", weights="random", random_seed=3)
    run(other)
    name = "msvd-qa_appearance_feat.h5"
    assert np.array_equal(FeatureReader(ctx.out / name).row(1), FeatureReader(other.out / name).row(1))
    assert json.loads((ctx.out / "features.json").read_text())["random"] is False
    for i, (options, words) in enumerate(
        [
            ({"weights": "file"}, "needs a path"),
            ({"backbone": "resnet18", "weights": "world"}, "no weights are shipped for resnet18"),
            ({"backbone": "resnet18", "weights": "imagenet1k_v1"}, "downloads nothing"),
            ({"backbone": "resnet18", "weights": "imagenet"}, "did you mean 'imagenet1k_v1'"),
            ({"backbone": "small3d"}, "makes motion features"),
        ]
    ):
        with pytest.raises(ConfigError, match=words):
            run(context(f"bad{i}", **options))
    with pytest.raises(DataError, match="does not fit"):
        run(context("unfit", backbone="resnet18", weights="file", files={"weights_file": path}))


def test_a_checkpoint_with_other_classes_and_shortcut_loads(sampled, context, tmp_path: Path) -> None:
    sampled(["1"], clips=1, frames=16)
    net = build("resnet18_3d", shortcut="B", n_classes=7)
    path = tmp_path / "resnet-18-mine.pth"
    torch.save({"arch": "resnet-18", "state_dict": {f"module.{k}": v for k, v in net.state_dict().items()}}, path)
    ctx = context(kind="motion", backbone="resnet18_3d", weights="file", image_size=32, files={"weights_file": path})
    run(ctx)
    assert FeatureReader(ctx.out / "msvd-qa_motion_feat.h5").shape == (1, 512)


@pytest.mark.parametrize("kind", ["appearance", "motion"])
def test_the_stage_computes_the_same_with_another_runtime(sampled, context, kind: str) -> None:
    openvino_or_skip()
    sampled()
    plain, other = context("plain", kind=kind), context("other", kind=kind, runtime="openvino", workers=2)
    run(plain)
    run(other)
    name = f"msvd-qa_{kind}_feat.h5"
    a, b = FeatureReader(plain.out / name).all(), FeatureReader(other.out / name).all()
    assert np.abs(a - b).max() <= 1e-4 * np.abs(a).max()
    assert json.loads((other.out / "features.json").read_text())["runtime"] == "openvino"


def test_rows_of_two_processors_in_one_file_are_told(sampled, context, monkeypatch: pytest.MonkeyPatch) -> None:
    sampled(["1", "2"])
    monkeypatch.setattr(work, "processor", lambda *how: "AVX2")
    first = context("first", items="shared.items")
    run(first)
    assert first.notes["arithmetic"] == "AVX2"
    sampled(["1", "2", "3"])
    monkeypatch.setattr(work, "processor", lambda *how: "AVX512")
    second = context("second", items="shared.items")
    run(second)
    assert second.notes["arithmetic"] == "of several machines, which differ in last bits: 2 rows by AVX2, 1 rows by AVX512"


def test_what_computes_is_in_the_key_and_an_input_of_another_kind_is_refused() -> None:
    assert ExtractParams(runtime="openvino").libraries == ("torch", "openvino")
    assert ExtractParams().libraries == ("torch",)
    assert (ExtractParams(kind="flow").pixels, ExtractParams(kind="motion").pixels) == ("symmetric", "raw255")
    with pytest.raises(ConfigError, match="appearance features have no input 'raw255'") as error:
        assert ExtractParams(input="raw255").network
    assert error.value.hint == "known: paper, imagenet, symmetric"


def test_flow_features_come_of_frames_with_two_channels(sampled, context) -> None:
    sampled(["5"], count=5, clips=2, frames=8, flow=True)
    ctx = context(kind="flow", image_size=32)
    run(ctx)
    row = FeatureReader(ctx.out / "msvd-qa_flow_feat.h5", "flow_features").row(5)
    clip = decode_payload(next(ctx.input_items["sample"].read(ctx.input_items["sample"].keys())).payload)
    net = load_network(ctx.params.network, "random", None, image_size=32, frames=8, seed=0, device="cpu")
    frames = np.stack([[resize(clip.images(int(number)), 32) for number in places] for places in clip.index])
    x = torch.from_numpy(np.moveaxis(frames / np.float32(127.5) - np.float32(1), -1, 1))
    with torch.inference_mode():
        want = net.feature(x).numpy()
    assert row.shape == (2, 1024)
    assert np.abs(row - want).max() <= 1e-4 * np.abs(want).max()


def test_frames_of_other_channels_than_the_network_takes_are_refused(sampled, context) -> None:
    sampled(["5"])
    with pytest.raises(DataError, match="frames of 3 channels, where the network takes 2"):
        run(context(kind="flow", image_size=32))
