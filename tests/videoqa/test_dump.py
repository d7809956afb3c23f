"""The dump: the teacher's fused feature of each question, once."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
import torch

from models.training.artifact import read_network
from systems.videoqa.data import Features, Split
from systems.videoqa.model import DualVGR
from systems.videoqa.train import answer


def test_every_row_is_the_teachers_fused_feature_of_that_question_alone(trained) -> None:
    bench, made = trained
    teacher, _ = read_network(made["teacher"], DualVGR)
    features = Features(bench.inputs["appearance"], bench.inputs["motion"])
    with h5py.File(made["dump"] / "fused.h5") as file:
        for name in ("train", "val"):
            split = Split(bench.inputs["questions"], name, features)
            assert file[name]["question_ids"][:].tolist() == split.question_ids.tolist()
            for row in range(len(split)):
                with torch.no_grad():
                    fused = answer(teacher, split.batch(torch.tensor([row]))).fused[0].numpy()
                np.testing.assert_allclose(file[name]["fused"][row], fused, rtol=1e-5, atol=1e-6)


def test_two_dumps_have_the_same_bytes(trained) -> None:
    bench, made = trained
    again = bench.dump(made["teacher"], "again")
    for name in ("fused.h5", "dump.json"):
        assert (again / name).read_bytes() == (made["dump"] / name).read_bytes()


def test_half_precision_is_kept_as_such_and_close(trained) -> None:
    bench, made = trained
    half = bench.dump(made["teacher"], "half", precision="float16")
    with h5py.File(made["dump"] / "fused.h5") as full, h5py.File(half / "fused.h5") as file:
        assert file["train"]["fused"].dtype == np.float16
        np.testing.assert_allclose(file["train"]["fused"][:], full["train"]["fused"][:], rtol=2e-3, atol=1e-3)


def test_the_test_split_is_not_dumped(trained) -> None:
    _, made = trained
    with h5py.File(made["dump"] / "fused.h5") as file:
        assert sorted(file) == ["train", "val"]


@pytest.mark.parametrize("batch_size", [1, 7])
def test_questions_of_lost_videos_have_no_row(bench_with_lost_videos, batch_size: int) -> None:
    bench = bench_with_lost_videos
    out = bench.dump(bench.teacher(epochs=1), batch_size=batch_size)
    counts = json.loads((out / "dump.json").read_text())["questions"]
    assert counts["train"] < 33
    with h5py.File(out / "fused.h5") as file:
        assert file["train"]["fused"].shape == (counts["train"], 3, 16)
