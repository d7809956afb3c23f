"""Frozen features, SVMs on them, heads and fine-tuning, the evaluation and the timing, on a few recordings."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cache.errors import ConfigError, DataError
from cache.stage import Context
from models.evaluation.files import read_evaluation, read_predictions
from models.evaluation.times import Timing
from systems.xkd import encode, evaluate, linear_svm, timing, trained, tune
from systems.xkd.dumped import Dumped
from systems.xkd.encoder import pooled
from systems.xkd.params import EncodeParams, EvaluateParams, FinetuneParams, LinearParams, SvmParams, TimingParams
from systems.xkd.recordings import Recordings
from systems.xkd.seen import Look
from tests.xkd.bench import CLASSES, FPS, RATE, Bench, files, make_bench, read_lines, write_index, write_lines

FEATURES = EncodeParams(train_clips=2, test_clips=2)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Recordings that are only read."""
    return make_bench(tmp_path_factory.mktemp("xkd"), train=3)


@pytest.fixture(scope="module")
def full(bench: Bench) -> Context:
    """Pre-trained encoders."""
    return bench.pretrain()


@pytest.fixture(scope="module")
def dumped(bench: Bench, full: Context) -> Context:
    """Their features."""
    return bench.run(encode.run, FEATURES, "encode.full", {"pretrain": full.out})


def svm(bench: Bench, dumped: Context, name: str, **params: Any) -> dict[str, Any]:
    made = bench.run(linear_svm.run, SvmParams(**params), name, {"features": dumped.out})
    found: dict[str, Any] = json.loads((made.out / "scores.json").read_text())
    return found


def test_features_are_what_the_teacher_makes_of_the_clips(bench: Bench, full: Context, dumped: Context) -> None:
    sizes = trained.read(full.out).look.sizes
    recordings = Recordings(dumped.inputs, dumped.input_items, ("video", "audio"), fps=FPS, rate=RATE)
    look = Look(sizes, {"test_crops": "spread", "audio_dense": "windows"})
    for modality, width, clips in (("video", 12, 6), ("audio", 12, 2)):
        found = Dumped(dumped.out, "test", modality)
        assert found.ids == ["ant3", "bee3", "cat3"] and found.all().shape == (3, clips, width)
        encoder = trained.read(full.out).encoder(modality, "teacher")
        own = pooled(encoder(torch.from_numpy(look.test(recordings("bee3"), 2, 3, modality))))
        assert np.allclose(found.all()[1], own.numpy(), atol=1e-5)
    assert Dumped(dumped.out, "train", "video").all().shape == (9, 2, 12)
    assert [entry.state for entry in dumped.ledger.entries.values()] == ["ok"] * 12


def test_pictures_and_sound_of_a_random_clip_are_of_the_same_time(bench: Bench, full: Context, dumped: Context) -> None:
    """Frames and samples are replaced by their number: both windows begin at the same moment."""
    from models.training.crops import At

    sizes = trained.read(full.out).look.sizes
    recordings = Recordings(dumped.inputs, dumped.input_items, ("video", "audio"), fps=FPS, rate=RATE)
    whole = recordings("ant0")
    numbered = whole._replace(
        frames=np.broadcast_to(np.arange(len(whole.frames), dtype=np.uint8)[:, None, None, None], whole.frames.shape),
        samples=np.arange(len(whole.samples), dtype=np.float32),
    )
    starts = set()
    for epoch in range(20):
        clip = Look(sizes).window(numbered, At(0, epoch, 0))
        start = int(clip.frames[0, 0, 0, 0])
        assert clip.samples[0] == start / FPS * RATE and len(clip.samples) == sizes.samples and len(clip.frames) == sizes.frames
        starts.add(start)
    assert starts == set(range(6))


def test_rows_are_made_once(bench: Bench, full: Context, dumped: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "features", None)
    for path in dumped.out.iterdir():
        path.unlink()
    bench.run(encode.run, FEATURES, "encode.full", {"pretrain": full.out})
    assert (dumped.out / "train.video.h5").exists()


def test_features_of_one_modality_need_only_its_sample(tmp_path: Path, full: Context) -> None:
    bench = make_bench(tmp_path)
    for name in ("frames.jsonl", "items"):
        (tmp_path / "frames" / name).rename(tmp_path / "frames" / f"no {name}")
    made = bench.run(encode.run, dataclasses.replace(FEATURES, modalities=("audio",)), "encode.audio", {"pretrain": full.out})
    assert sorted(path.name for path in made.out.glob("*.h5")) == ["test.audio.h5", "train.audio.h5"]


def test_a_file_without_pictures_has_no_features_and_is_named(tmp_path: Path, full: Context) -> None:
    bench = make_bench(tmp_path)
    lines = read_lines(tmp_path / "frames" / "frames.jsonl")
    write_lines(tmp_path / "frames" / "frames.jsonl", lines[1:])
    made = bench.run(encode.run, FEATURES, "encode.full", {"pretrain": full.out})
    assert made.ledger.entries["ant0"].reason == "it has no frames" and "ant0" not in Dumped(made.out, "train", "audio").ids


def test_the_svm_chooses_its_cost_without_the_test_set(bench: Bench, dumped: Context) -> None:
    validated = svm(bench, dumped, "svm.validation")
    assert validated["selection"] == "validation" and set(validated["inputs"]) == {"video", "audio", "both"} and validated["files"] == 3
    released = svm(bench, dumped, "svm.test", preset="released")
    fixed = svm(bench, dumped, "svm.fixed", selection="fixed", cost=0.1)
    for name in validated["inputs"]:
        assert released["inputs"][name]["top-1"] == max(released["inputs"][name]["tried"].values())
        assert validated["inputs"][name]["top-1"] <= released["inputs"][name]["top-1"]
        assert fixed["inputs"][name]["cost"] == 0.1 and not fixed["inputs"][name]["tried"]


def test_the_files_that_choose_the_cost_are_of_every_class_and_not_trained_on() -> None:
    labels = np.array([0, 0, 0, 0, 0, 1, 1, 2])
    assert linear_svm.held_out(labels, 0.4).tolist() == [False, False, False, True, True, False, True, False]


def test_features_of_both_are_joined_at_length_one() -> None:
    video, audio = np.random.default_rng(0).standard_normal((2, 6, 5)), np.random.default_rng(1).standard_normal((2, 2, 4))
    joined = linear_svm.joined(video.astype(np.float32), audio.astype(np.float32))
    assert joined.shape == (2, 2, 9)
    assert np.allclose(np.linalg.norm(joined[..., 5:], axis=-1), 1, atol=1e-6)
    unit = video / np.linalg.norm(video, axis=-1, keepdims=True)
    assert np.allclose(joined[1, 1, :5], unit[1, 3:].mean(0), atol=1e-6)


def test_the_svm_is_of_files_of_one_class(tmp_path: Path, full: Context) -> None:
    bench = make_bench(tmp_path)
    bench.videos["ant0"] = ("train", ("ant", "bee"))
    write_index(bench)
    dumped = bench.run(encode.run, FEATURES, "encode.full", {"pretrain": full.out})
    with pytest.raises(DataError, match="several classes"):
        svm(bench, dumped, "svm.several")


TUNE: dict[str, Any] = {"epochs": 3, "batch_size": 4, "warmup_epochs": 1, "test_clips": 2, "lr": 0.01, "seed": 1}


@pytest.mark.parametrize("modality", ["video", "audio"])
def test_a_linear_head_leaves_the_encoder_and_fine_tuning_does_not(modality: str, bench: Bench, full: Context) -> None:
    before = trained.read(full.out).encoder(modality).state_dict()
    for frozen, stage, record in ((True, tune.linear, LinearParams), (False, tune.finetune, FinetuneParams)):
        name = f"{'linear' if frozen else 'finetune'}.{modality}.full"
        made = bench.run(stage, record(modality=modality, **TUNE), name, {"pretrain": full.out})
        from safetensors.torch import load_file

        after = load_file(made.out / "model.safetensors")
        same = [torch.equal(value, after[f"backbone.{entry}"]) for entry, value in before.items()]
        assert all(same) if frozen else not any(same)
        scores = json.loads((made.out / "scores.json").read_text())
        assert scores["files"] == 3 and 0 <= scores["top-1"] <= scores["top-5"] == 1.0
        assert len(read_lines(made.out / "curves.jsonl")) == 3


def test_fine_tuning_at_another_size_interpolates_positions(bench: Bench, full: Context) -> None:
    params = FinetuneParams(modality="video", size=24, **{**TUNE, "epochs": 1})
    made = bench.run(tune.finetune, params, "finetune.video.wide", {"pretrain": full.out})
    assert (made.out / "scores.json").exists()


def test_a_stopped_fine_tuning_ends_in_the_same_bits(bench: Bench, full: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    from models.training import loop
    from models.training.pace import Pace

    params, reads = FinetuneParams(modality="audio", **TUNE), {"pretrain": full.out}
    whole = files(bench.run(tune.finetune, params, "finetune.audio.whole", reads))
    fit, loss, seen = loop.fit, tune.Tuning.loss, []
    monkeypatch.setattr(tune, "fit", lambda *a, **k: fit(*a, **k, pace=Pace(seconds=0.0, share=1e9)))

    def counted(self: Any, batch: Any) -> Any:
        seen.append(1)
        if len(seen) == 5:
            raise KeyboardInterrupt
        return loss(self, batch)

    monkeypatch.setattr(tune.Tuning, "loss", counted)
    with pytest.raises(KeyboardInterrupt):
        bench.run(tune.finetune, params, "finetune.audio.stopped", reads)
    assert files(bench.run(tune.finetune, params, "finetune.audio.stopped", reads)) == whole


def test_files_of_several_classes_are_scored_by_map(tmp_path: Path, full: Context) -> None:
    bench = make_bench(tmp_path)
    bench.videos |= {id: (split, (*labels, "cat")) for id, (split, labels) in bench.videos.items() if labels == ("ant",)}
    write_index(bench)
    made = bench.run(tune.linear, LinearParams(modality="audio", **{**TUNE, "epochs": 30}), "linear.audio.full", {"pretrain": full.out})
    scores = json.loads((made.out / "scores.json").read_text())
    assert set(scores) == {"files", "mAP", "AUC"} and scores["mAP"] > 0.6
    reads = {"pretrain.full": full.out, "linear.audio.full": made.out}
    said = list(read_predictions(bench.run(evaluate.run, EvaluateParams(), "evaluate", reads).out))
    assert {tuple(one.answer) for one in said} == {bench.videos[one.about["video_id"]][1] for one in said}
    assert all(one.is_right == (one.prediction in one.answer) for one in said) and any(len(one.answer) == 2 for one in said)
    (made.out / "answers.npz").unlink()  # a result of before answers were kept
    assert list(read_predictions(bench.run(evaluate.run, EvaluateParams(), "evaluate.old", reads).out)) == []


def test_the_evaluation_has_every_protocol_and_its_pairs(bench: Bench, full: Context, dumped: Context) -> None:
    random = bench.pretrain("pretrain.recon", learns="recon", epochs=1)
    other = bench.run(encode.run, FEATURES, "encode.recon", {"pretrain": random.out})
    reads = {"pretrain.full": full.out, "pretrain.recon": random.out}
    for name, of in (("full", dumped), ("recon", other)):
        reads[f"svm.{name}"] = bench.run(linear_svm.run, SvmParams(), f"svm.{name}", {"features": of.out}).out
        ran = bench.run(
            tune.linear, LinearParams(modality="audio", **TUNE), f"linear.audio.{name}", {"pretrain": reads[f"pretrain.{name}"]}
        )
        reads[f"linear.audio.{name}"] = ran.out
    made = bench.run(evaluate.run, EvaluateParams(), "evaluate", reads)
    found = read_evaluation(made.out)
    assert [column.name for column in found.columns] == ["video", "audio", "video + audio", "audio, linear head"]
    assert [row.name for row in found.networks] == ["full", "recon"] and found.pairs == (("full", "recon"),)
    assert found.seed == 1 and found.items.scored == found.items.total == 3 and not found.flags
    said = json.loads((reads["svm.full"] / "scores.json").read_text())
    assert found.networks[0].scores["video + audio"].value == said["inputs"]["both"]["top-1"]
    rows = list(read_predictions(made.out))
    assert {row.model for row in rows} == {"full", "recon"} and {row.answer for row in rows} == set(CLASSES)
    assert {row.kind for row in rows} == {column.name for column in found.columns}
    for row in found.networks:
        for kind, score in row.scores.items():
            own = [one.is_right for one in rows if (one.model, one.kind) == (row.name, kind)]
            assert len(own) == 3 and sum(own) / 3 == pytest.approx(score.value)
    heads = [row for row in rows if row.kind == "audio, linear head"]
    assert all(row.top[0][0] == row.prediction and sum(chance for _, chance in row.top) == pytest.approx(1, abs=1e-3) for row in heads)
    assert {line["model"] for line in read_lines(made.out / "curves.jsonl")} == {"full", "recon"}
    timed = bench.run(timing.run, TimingParams(repeats=1, batch_size=2), "timing", reads)
    assert set(Timing.read(timed.out).models) == {"full", "recon"}


def test_scores_chosen_on_the_test_set_are_flagged(bench: Bench, full: Context, dumped: Context) -> None:
    reads = {
        "pretrain.full": full.out,
        "svm.full": bench.run(linear_svm.run, SvmParams(preset="released"), "svm.flat", {"features": dumped.out}).out,
    }
    found = read_evaluation(bench.run(evaluate.run, EvaluateParams(), "evaluate.flat", reads).out)
    assert "chosen on the test set" in found.flags[0]


def test_a_split_that_is_not_there_is_an_error(bench: Bench, full: Context) -> None:
    with pytest.raises(ConfigError, match="no files of the split 1/test"):
        bench.run(encode.run, dataclasses.replace(FEATURES, test="1/test"), "encode.lost", {"pretrain": full.out})
