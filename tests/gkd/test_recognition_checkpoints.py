"""Networks of recognition that are taken from published files as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from cache.errors import ConfigError, DataError
from systems.gkd.recognition import trained
from systems.gkd.recognition.network import Recogniser
from systems.gkd.recognition.published import cvae_branch, cvae_state
from tests.gkd.recognition_bench import Bench, about, curves, make_bench

SIZES = {"frames": 9, "size": 32, "width": 0.0625}
#: what a network of 16 frames says of its last map too
STEPS = 16


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Clips that are only read."""
    return make_bench(tmp_path_factory.mktemp("checkpoints"))


def network(kind: str, channels: int = 3, **changes: float) -> Recogniser:
    torch.manual_seed(3)
    return Recogniser(kind, 3, channels, **{**SIZES, **changes}).eval()  # type: ignore[arg-type]


def saved(path: Path, state: dict[str, Tensor]) -> Path:
    torch.save(state, path)
    return path


def test_a_student_is_taken_as_it_is(bench: Bench, tmp_path: Path) -> None:
    net = network("student")
    made = bench.student(name="student.taken", files={"checkpoint": saved(tmp_path / "ucf101-rgb.ckpt", net.state_dict())}, checkpoint="x")
    found = trained.read(made.out)
    clips = torch.randn(1, 3, 9, 32, 32)
    with torch.no_grad():
        assert torch.equal(found.model(clips), net(clips))
    assert about(made)["checkpoint"]["file"] == "ucf101-rgb.ckpt" and curves(made) == []
    assert bench.evaluate({"student.alone": made}).ledger.entries  # its classes have no names


def test_flow_is_taken_by_position_and_needs_no_attention(bench: Bench, tmp_path: Path) -> None:
    net = network("student", 2)
    alone = {f"net.{number}": value for number, value in enumerate(net.backbone.net.state_dict().values())}
    file = {"checkpoint": saved(tmp_path / "ucf101-flow.ckpt", alone)}
    made = bench.student(name="student.flow", modality="flow", files=file, checkpoint="x")
    own = trained.read(made.out)
    clips = torch.randn(1, 2, 9, 32, 32)
    with torch.no_grad():
        assert torch.equal(own.logits(clips), net(clips, weighted=False))
    with pytest.raises(DataError, match="has no attention"):
        bench.student(name="student.flow", modality="flow", files=file, checkpoint="x", weighted=True)


def test_a_teacher_is_taken_with_its_cvae_and_distilled_from(bench: Bench, tmp_path: Path) -> None:
    net = network("teacher")
    cvae = cvae_branch(net)
    files = {
        "checkpoint": saved(tmp_path / "checkpoint-20.ckpt", net.state_dict()),
        "cvae_checkpoint": saved(tmp_path / "checkpoint-20_cvae.ckpt", cvae.state_dict()),
    }
    made = bench.teacher("teacher.taken", files=files, checkpoint="x", cvae_checkpoint="y")
    found = trained.read_cvae(made.out, trained.read(made.out).model)
    assert found is not None
    assert all(torch.equal(value, cvae.state_dict()[name]) for name, value in found.state_dict().items())
    learnt = bench.student("kd", made, name="student.from.file", epochs=1)
    assert "train_cvae_generative" in curves(learnt)[0]
    without = bench.teacher("teacher.without", files={"checkpoint": files["checkpoint"]}, checkpoint="x")
    with pytest.raises(DataError, match="without its CVAE"):
        bench.student("kd", without, name="student.without")


def test_a_cvae_of_the_published_layout_has_a_branch_that_nothing_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The published sizes are 1.6 GB, so the layout is that of smaller ones."""
    from systems.gkd.recognition import published

    monkeypatch.setattr(published, "KERNELS", {"student": {1024: 1, 832: 1}})
    net = network("student")
    own = cvae_branch(net)
    monkeypatch.setattr(published, "CVAE", lambda branches: type(own)({c: (64 if c == 1024 else 52, 1) for c in branches}))
    state = cvae_state(own, "student")
    assert any("_832" in name for name in state)
    loaded = published.load_cvae(cvae_branch(net), state, "file")
    assert all(torch.equal(value, own.state_dict()[name]) for name, value in loaded.state_dict().items())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"frames": 17}, "a network with frames = 16"),
        ({"size": 64}, "a network with size = 32"),
        ({"width": 0.125}, "a network with width = 0.0625"),
    ],
)
def test_a_file_of_another_network_is_refused(changes: dict[str, float], says: str, bench: Bench, tmp_path: Path) -> None:
    file = {"checkpoint": saved(tmp_path / "other.ckpt", network("student").state_dict())}
    with pytest.raises(ConfigError, match=says):
        bench.student(name="student.other", files=file, checkpoint="x", **changes)


def test_a_file_of_the_other_role_is_refused(bench: Bench, tmp_path: Path) -> None:
    file = {"checkpoint": saved(tmp_path / "teacher.ckpt", network("teacher").state_dict())}
    with pytest.raises(ConfigError, match="a network with kind = teacher"):
        bench.student(name="student.other", files=file, checkpoint="x")
