"""Published checkpoints: read, verified, mapped; and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cache.digest import digest_file
from cache.errors import DataError
from models.tensorflow_checkpoint import read_checkpoint
from systems.fewerframes import TeacherParams, teacher
from systems.fewerframes.nextvlad import NeXtVLAD
from systems.fewerframes.published import load_published, state_name
from tests.fewerframes.conftest import SIZES, Bench, write_features

FOLDER = Path(__file__).parents[1] / "data" / "fewerframes" / "tf_checkpoint"
TEACHER = FOLDER / "teacher" / "model.ckpt-95830"
INDEX = TEACHER.with_name(TEACHER.name + ".index")


def network(**changes: object) -> NeXtVLAD:
    sizes = {"feature_sizes": (32, 8), "groups": 4, "clusters": 8, "hidden": 16, "gating_reduction": 4}
    return NeXtVLAD(20, **{**sizes, **changes})


def copied(tmp_path: Path) -> Path:
    target = tmp_path / "copy"
    shutil.copytree(FOLDER / "teacher", target)
    return target


@pytest.mark.parametrize("path", [FOLDER / "teacher", TEACHER, INDEX])
def test_a_folder_a_prefix_and_an_index_name_the_same_checkpoint(path: Path) -> None:
    assert read_checkpoint(path)["teacher/global_step"].shape == ()


@pytest.mark.parametrize("who", ["teacher", "student"])
def test_a_checkpoint_fills_our_network(who: str) -> None:
    variables = read_checkpoint(FOLDER / who)
    model = load_published(network(), variables)
    assert np.array_equal(model.hidden1_weights.detach().numpy(), variables[f"{who}/tower/hidden1_weights"])
    assert torch.equal(model.gating_bn.running_var, torch.from_numpy(variables[f"{who}/tower/gating_bn/moving_variance"].copy()))


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("teacher/tower/hidden1_bn/moving_mean", "hidden1_bn.running_mean"),
        ("tower/branch_1/video_vlad/cluster_weights", "branch_1.video_vlad.cluster_weights"),
        (
            "model_student/RNN_L1/rnn/multi_rnn_cell/cell_0/basic_lstm_cell/kernel",
            "RNN_L1.rnn.multi_rnn_cell.cell_0.basic_lstm_cell.kernel",
        ),
        ("gates/weights", "gates.weights"),
        ("student/student/tower/hidden1_weights/Adam_1", None),
        ("student/global_step", None),
        ("beta1_power", None),
    ],
)
def test_scopes_are_stripped_and_slots_dropped(variable: str, name: str | None) -> None:
    assert state_name(variable) == name


def test_a_network_of_another_size_is_refused_with_a_list() -> None:
    with pytest.raises(DataError) as caught:
        load_published(network(hidden=24), read_checkpoint(FOLDER / "teacher"), source="model.ckpt-95830")
    assert "model.ckpt-95830 does not fit" in str(caught.value) and "hidden1_weights: [160, 16], expected [160, 24]" in str(caught.value)


def test_missing_and_left_over_variables_are_named() -> None:
    variables = read_checkpoint(FOLDER / "teacher")
    with pytest.raises(DataError, match=r"missing: gates.weights"):
        load_published(network(classifier="moe"), variables)
    with pytest.raises(DataError, match=r"left over: audio_VLAD"):
        load_published(network(feature_sizes=(32,)), variables)


@pytest.mark.parametrize("place", [0, 100, 50_000, 101_000])
def test_a_flipped_bit_of_the_data_is_found_and_located(place: int, tmp_path: Path) -> None:
    folder = copied(tmp_path)
    path = next(folder.glob("*.data-*"))
    data = bytearray(path.read_bytes())
    data[place] ^= 4
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"data-00000-of-00001: .* at offset \d+ is damaged"):
        read_checkpoint(folder)


def test_every_flipped_byte_of_the_index_is_an_error_of_ours_or_harmless(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    path = next(folder.glob("*.index"))
    whole = path.read_bytes()
    expected = read_checkpoint(folder)
    found = 0
    for place in range(0, len(whole), 37):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            read = read_checkpoint(folder)
        except DataError:
            found += 1
        else:
            assert read.keys() == expected.keys() and all(np.array_equal(read[name], expected[name]) for name in expected)
    assert found > 80


@pytest.mark.parametrize("keep", [0, 47, 1000, 3700])
def test_a_truncated_index_is_refused(keep: int, tmp_path: Path) -> None:
    folder = copied(tmp_path)
    path = next(folder.glob("*.index"))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match="no TensorFlow checkpoint index"):
        read_checkpoint(folder)


def test_truncated_and_missing_data_are_named(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    path = next(folder.glob("*.data-*"))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match="ends inside"):
        read_checkpoint(folder)
    path.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        read_checkpoint(folder)


def test_a_folder_without_a_list_of_checkpoints_asks_for_the_prefix(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="name the checkpoint itself"):
        read_checkpoint(tmp_path)


def test_the_list_of_checkpoints_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    (folder / "checkpoint").write_text('model_checkpoint_path: "/somewhere/else/model.ckpt-95830"\n')
    assert "teacher/tower/hidden1_weights" in read_checkpoint(folder)


def test_a_published_teacher_is_taken_as_it_is_and_teaches(tmp_path: Path) -> None:
    bench = Bench(tmp_path, write_features(tmp_path / "ingest", rgb=32, audio=8, classes=20))
    sizes = {**SIZES, "clusters": 8, "checkpoint": str(INDEX)}
    ctx = bench.context(TeacherParams(**sizes), "teacher", files={"checkpoint": INDEX})
    teacher.run(ctx)
    variables, weights = read_checkpoint(TEACHER), load_file(ctx.out / "model.safetensors")
    assert np.array_equal(weights["hidden1_weights"].numpy(), variables["teacher/tower/hidden1_weights"])
    assert json.loads((ctx.out / "model.json").read_text())["checkpoint"] == digest_file(INDEX)
    (curve,) = map(json.loads, (ctx.out / "curves.jsonl").read_text().splitlines())
    assert 0 < curve["val_gap"] <= 1
    student = bench.student("student", {"dump": bench.dump(ctx.out)}, rep=True, pred=True, epochs=1)
    evaluated = bench.evaluation({"teacher": ctx.out, "student.both.k6": student})
    assert (evaluated / "evaluation.json").is_file()


def test_a_checkpoint_of_other_sizes_is_refused_with_a_list(tmp_path: Path) -> None:
    bench = Bench(tmp_path, write_features(tmp_path / "ingest", rgb=32, audio=8, classes=20))
    ctx = bench.context(
        TeacherParams(**{**SIZES, "clusters": 16}), "teacher", files={"checkpoint": TEACHER.with_name(TEACHER.name + ".index")}
    )
    with pytest.raises(DataError, match="does not fit the network"):
        teacher.run(ctx)
