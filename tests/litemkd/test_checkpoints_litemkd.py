"""Networks that are taken from published checkpoints as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cache.errors import ConfigError, DataError
from systems.litemkd import ExpertParams, StudentParams, TeacherParams, expert, student, teacher
from systems.litemkd.mfm import MFM
from systems.litemkd.model import Student
from systems.litemkd.single import Single
from systems.litemkd.trained import read
from tests.litemkd.conftest import Bench


def saved(net: nn.Module, path: Path, **more: Any) -> Path:
    """A checkpoint as the published code writes it, of a run on several GPUs."""
    state = {name.replace("backbone.resnet.", "backbone.resnet.module."): value for name, value in net.state_dict().items()}
    torch.save({"iteration": 9999, "model_state_dict": state, **more}, path)
    return path


def take(run: Any, params: Any, path: Path, root: Path) -> Path:
    ctx = Bench(root).context(params, "taken", {}, {"checkpoint": path})
    run(ctx)
    return ctx.out


def test_a_student_is_taken_and_read_off_its_checkpoint(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = Student("resnet18", "d2m", "d2m", 24, 10).eval()
    path = saved(net, tmp_path / "net.pt")
    network, about = read(take(student.run, StudentParams(checkpoint="x", backbone="resnet18"), path, tmp_path))
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in net.state_dict().items())
    assert about["arguments"]["dim"] == 24 and about["arguments"]["out_dim"] == 10 and len(about["checkpoint"]) == 64
    assert about["image_size"] == 224 and about["switches"]["normalise"] == "none"


def test_a_student_of_another_trunk_than_the_parameters_say_is_refused(tmp_path: Path) -> None:
    path = saved(Student("resnet18", "plain", "trx", 24, 10), tmp_path / "net.pt")
    with pytest.raises(ConfigError, match=r"net\.pt is of backbone = resnet18, and taken\.backbone is resnet50"):
        take(student.run, StudentParams(checkpoint="x", backbone="resnet50"), path, tmp_path)


def test_a_teacher_is_taken_with_its_variant_named(tmp_path: Path) -> None:
    net = MFM("shift", 12, 10, layers=1, feedforward=8)
    path = saved(net, tmp_path / "net.pt", optimizer_state_dict={}, scheduler={})
    params = {"checkpoint": "x", "layers": 1, "out_dim": 10, "feedforward": 8}
    network, about = read(take(teacher.run, TeacherParams(**params), path, tmp_path))
    assert about["arguments"]["variant"] == "shift" and about["arguments"]["dim"] == 12
    assert torch.equal(network.fusion.f1.weight, net.fusion.f1.weight)
    with pytest.raises(ConfigError, match=r"net\.pt is of layers = 1, and taken\.layers is 2"):
        take(teacher.run, TeacherParams(**{**params, "layers": 2}), path, tmp_path)


@pytest.mark.parametrize("published", [True, False])
def test_an_expert_is_taken_with_or_without_the_parts_that_no_formula_uses(published: bool, tmp_path: Path) -> None:
    net = Single("trx", "resnet18", 10, published=published)
    path = saved(net, tmp_path / "net.pt")
    network, about = read(take(expert.run, ExpertParams(checkpoint="x", backbone="resnet18", out_dim=10), path, tmp_path))
    assert about["arguments"]["published"] is published and about["modality"] == "rgb"
    assert torch.equal(network.transformers[0].k_linear.weight, net.transformers[0].k_linear.weight)


def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = saved(Single("trx", "resnet18", 10), tmp_path / "net.pt")
    with pytest.raises(DataError, match="does not fit"):
        take(expert.run, ExpertParams(checkpoint="x", backbone="resnet18", out_dim=11), path, tmp_path)
