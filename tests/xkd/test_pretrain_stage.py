"""Pre-training on a few recordings: what it writes, what it learns from, and that a killed one ends in the same bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from cache.errors import ConfigError, DataError
from cache.stage import Context
from systems.xkd import trained
from systems.xkd.published import SIDES, backbone_state, training_state
from systems.xkd.training import build
from tests.xkd.bench import Bench, about, files, make_bench, read_lines, write_lines

KD = {"vt2as_kd_loss", "at2vs_kd_loss", "cmkd_loss"}
ALIGN = {"as2vs_align_loss", "vt2at_align_loss", "alignment_loss"}
RECON = {"vid_recon_loss", "aud_recon_loss", "recon_loss"}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Recordings that are only read."""
    return make_bench(tmp_path_factory.mktemp("xkd"))


@pytest.fixture(scope="module")
def full(bench: Bench) -> Context:
    """Encoders that learnt from everything."""
    return bench.pretrain()


@pytest.mark.parametrize(
    ("learns", "terms"), [("full", RECON | KD | ALIGN), ("kd", RECON | KD), ("align", RECON | ALIGN), ("recon", RECON)]
)
def test_each_pretraining_has_the_losses_that_it_is_called_after(learns: str, terms: set[str], bench: Bench) -> None:
    made = bench.pretrain(f"pretrain.{learns}.own", learns=learns)
    logged = {name.removeprefix("train_") for line in read_lines(made.out / "curves.jsonl") for name in line if name.startswith("train_")}
    assert logged == terms | {"loss"}
    assert set(trained.read(made.out).model.sides()) == set(SIDES)
    assert about(made)["clips"] == {"listed": 6, "trained_on": 6}


def test_encoders_of_no_training_are_those_that_a_training_starts_from(bench: Bench) -> None:
    made = trained.read(bench.pretrain("pretrain.random", learns="random").out)
    still = trained.read(bench.pretrain("pretrain.still", lr=1e-30, weight_decay=0.0, epochs=1).out)
    for name, value in made.model.state_dict().items():
        assert torch.allclose(value, still.model.state_dict()[name], atol=1e-12), name


def test_teachers_follow_and_students_learn(bench: Bench, full: Context) -> None:
    start = trained.read(bench.pretrain("pretrain.start", learns="random").out).model.state_dict()
    end = trained.read(full.out).model.state_dict()
    name = "enc_pos_embed"
    moved = {side: float((end[f"{side}.{name}"] - start[f"{side}.{name}"]).norm()) for side in SIDES}
    for modality in ("vid", "aud"):
        assert moved[f"{modality}_student"] > 3 * moved[f"{modality}_teacher"] > 0


@pytest.mark.parametrize("variant", ["xkd_mas", "xkd_mats"])
def test_shared_blocks_are_equal_afterwards(variant: str, bench: Bench) -> None:
    state = trained.read(bench.pretrain(f"pretrain.{variant}", variant=variant).out).model.state_dict()
    name = "encoder.blocks.1.mlp.fc1.weight"
    assert torch.equal(state[f"vid_student.{name}"], state[f"aud_student.{name}"])
    assert torch.equal(state[f"vid_teacher.{name}"], state[f"aud_teacher.{name}"])  # they follow the same blocks with the same momentum


@pytest.mark.parametrize("stop", [2, 3, 4])
def test_a_training_that_is_stopped_and_run_again_ends_in_the_same_bits(
    stop: int, bench: Bench, full: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six clips in batches of three, two epochs: centres, teachers, optimizer and schedules go on where they were."""
    from models.training import loop
    from models.training.pace import Pace
    from systems.xkd.training import Pretraining

    fit, loss, seen = loop.fit, Pretraining.loss, []
    monkeypatch.setattr("systems.xkd.training.fit", lambda *a, **k: fit(*a, **k, pace=Pace(seconds=0.0, share=1e9)))

    def counted(self: Any, batch: Any) -> Any:
        seen.append(1)
        if len(seen) == stop:
            raise KeyboardInterrupt
        return loss(self, batch)

    monkeypatch.setattr(Pretraining, "loss", counted)
    with pytest.raises(KeyboardInterrupt):
        bench.pretrain(f"pretrain.stopped{stop}")
    again = bench.pretrain(f"pretrain.stopped{stop}")
    assert len(seen) == 5  # every batch once, and the one at which it was stopped again
    assert files(again) == files(full)


def test_the_seed_decides_everything_and_what_is_kept_in_memory_nothing(bench: Bench, full: Context) -> None:
    assert files(bench.pretrain("pretrain.small", cache_mb=0.0)) == files(full)
    assert files(bench.pretrain("pretrain.other", seed=2))["model.safetensors"] != files(full)["model.safetensors"]


def test_a_clip_without_sound_is_named_and_not_trained_on(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    lines = read_lines(tmp_path / "sound" / "sounds.jsonl")
    write_lines(tmp_path / "sound" / "sounds.jsonl", lines[1:])
    made = bench.pretrain()
    assert about(made)["clips"] == {"listed": 6, "trained_on": 5}
    entry = made.ledger.entries[lines[0]["id"]]
    assert (entry.state, entry.reason) == ("lost_before", "it has no sound")


def test_a_split_that_is_not_there_is_named_with_those_that_are(bench: Bench) -> None:
    with pytest.raises(ConfigError, match="no files of the split 2/train"):
        bench.pretrain("pretrain.lost", split="2/train")


def test_several_splits_can_be_one(bench: Bench) -> None:
    assert about(bench.pretrain("pretrain.all", split="train+test", epochs=1))["clips"] == {"listed": 9, "trained_on": 9}


def test_sound_of_another_rate_is_refused(bench: Bench) -> None:
    with pytest.raises(DataError, match="4000 samples a second, and the networks are for 8000"):
        bench.pretrain("pretrain.fast", rate=8000, hop=258)


def test_a_published_training_state_is_taken_as_it_is(bench: Bench, full: Context, tmp_path: Path) -> None:
    net = build(full.params)
    torch.save(training_state(net, {}, 3), tmp_path / "checkpoint.pth.tar")
    made = bench.pretrain("pretrain.taken", files={"checkpoint": tmp_path / "checkpoint.pth.tar"})
    state = trained.read(made.out).model.state_dict()
    for side in SIDES:
        for name, value in backbone_state(net, side).items():
            assert torch.equal(state[f"{side}.{name}"], value)
    assert about(made)["checkpoint"]["checkpoint"]["file"] == "checkpoint.pth.tar" and not made.ledger.entries


def test_encoders_are_published_and_taken_again(bench: Bench, tmp_path: Path) -> None:
    made = bench.pretrain("pretrain.published", publish=True)
    again = bench.pretrain("pretrain.again", files={"audio_checkpoint": made.out / "aud_student.pth.tar"})
    first, second = trained.read(made.out), trained.read(again.out)
    taken = second.encoder("audio").state_dict()
    for name, value in first.encoder("audio", "student").state_dict().items():
        assert torch.equal(taken[name], value)
    assert second.modalities == ["audio"]
    with pytest.raises(DataError, match="none of video"):
        second.encoder("video")


def test_a_file_of_another_size_is_refused(bench: Bench, full: Context, tmp_path: Path) -> None:
    torch.save(backbone_state(build(full.params), "vid_teacher"), tmp_path / "vid_teacher.pth.tar")
    with pytest.raises(DataError, match="vid_teacher"):
        bench.pretrain("pretrain.wide", files={"video_checkpoint": tmp_path / "vid_teacher.pth.tar"}, depth=3)
