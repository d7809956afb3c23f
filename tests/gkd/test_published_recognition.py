"""Published checkpoints of recognition load strictly, by name or by position, and are written in the same layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from cache.errors import DataError
from models.backbones.i3d import i3d
from systems.gkd.cvae import CVAE
from systems.gkd.flattened import flattened
from systems.gkd.recognition import published
from systems.gkd.recognition.network import Recogniser

SMALL = {"frames": 16, "size": 32, "width": 1 / 16}


def small(kind: str = "student", seed: int = 0) -> Recogniser:
    torch.manual_seed(seed)
    return Recogniser(kind, 5, **SMALL)


def test_the_full_network_has_the_published_entries_in_order() -> None:
    with torch.device("meta"):
        state = Recogniser("student", 101).state_dict()
    names = list(state)
    assert len(names) == 354
    assert names[:2] == ["backbone._model.logits.conv3d.weight", "backbone._model.logits.conv3d.bias"]
    assert all(name.startswith("backbone._model.") for name in names[:344])
    assert names[344:348] == ["deconv1.0.weight", "deconv1.0.bias", "deconv1.1.weight", "deconv1.1.bias"]
    assert names[348:] == [
        f"Att_Head_5c.{part}" for part in ("0.conv1d.weight", "0.conv1d.bias", "1.weight", "1.bias", "3.weight", "3.bias")
    ]


@pytest.mark.parametrize("kind", ["student", "teacher"])
def test_a_network_is_told_from_its_state(kind: str) -> None:
    with torch.device("meta"):
        for options in ({}, {"n_input_channels": 2, "frames": 32, "size": 96, "width": 0.5}):
            net = Recogniser(kind, 51, **options)
            again = Recogniser(**published.options(net.state_dict()))
            assert {name: value.shape for name, value in again.state_dict().items()} == {n: v.shape for n, v in net.state_dict().items()}
            assert again.kind == kind and again.map_shape == net.map_shape


def test_all_entries_must_fit() -> None:
    net, state = small(), small(seed=1).state_dict()
    published.load(net, state, "ucf101-rgb.ckpt")
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    with pytest.raises(DataError, match=r"ucf101-rgb.ckpt does not fit Recogniser: 1 missing"):
        published.load(net, {name: value for name, value in state.items() if name != "deconv1.0.bias"}, "ucf101-rgb.ckpt")


def test_a_student_with_flattened_weights_sees_a_still_clip_as_the_teacher_does() -> None:
    net, teacher = small().eval(), small("teacher", 1).eval()
    published.load_kinetics(net, flattened(teacher.backbone.net.state_dict(), net.backbone.net), "i3d.pt")
    still = torch.rand(1, 3, 1, 32, 32, generator=torch.Generator().manual_seed(2)).expand(-1, -1, 32, -1, -1)
    ours, theirs = (one.backbone.net.stages(still)["Conv3d_2c_3x3"][:, :, 6:10] for one in (net, teacher))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)  # away from both ends, where there is padding
    same = "Mixed_5c.b0.conv3d.weight"
    assert torch.equal(net.backbone.net.state_dict()[same], teacher.backbone.net.state_dict()[same])


def test_the_backbone_alone_loads_by_position_whatever_names_say() -> None:
    net, other = small(), small(seed=1)
    attention = net.deconv1[0].weight.clone()
    renamed = {f"entry{number}": value for number, value in enumerate(other.state_dict().values())}
    published.load_backbone(net, renamed, "ucf101-flow.ckpt")
    own = net.backbone.net.state_dict()
    assert all(torch.equal(own[name], value) for name, value in other.backbone.net.state_dict().items())
    assert torch.equal(net.deconv1[0].weight, attention)
    with pytest.raises(DataError, match="by position"):
        published.load_backbone(net, dict(reversed(renamed.items())), "ucf101-flow.ckpt")


def test_a_teacher_starts_from_kinetics_but_for_the_classifier_and_a_student_cannot() -> None:
    torch.manual_seed(3)
    kinetics = i3d(400, width=SMALL["width"]).state_dict()
    net = small("teacher")
    classifier = net.backbone.net.logits.conv3d.weight.clone()
    published.load_kinetics(net, kinetics, "rgb_imagenet.pt")
    assert torch.equal(net.backbone.net.Mixed_5c.b0.conv3d.weight, kinetics["Mixed_5c.b0.conv3d.weight"])
    assert torch.equal(net.backbone.net.logits.conv3d.weight, classifier)
    old = {name: value for name, value in kinetics.items() if not name.endswith("num_batches_tracked")}
    published.load_kinetics(net, old, "rgb_imagenet.pt")
    with pytest.raises(DataError, match="of another shape"):
        published.load_kinetics(small(), kinetics, "rgb_imagenet.pt")


def test_a_state_of_another_network_is_refused() -> None:
    with pytest.raises(DataError, match="no recognition network"):
        published.options(i3d(5, width=1 / 16).state_dict())


def test_a_cvae_is_written_with_the_branch_that_published_programs_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "KERNELS", {"student": {1024: 2, 832: 3}})
    monkeypatch.setattr(published, "CVAE", lambda branches: CVAE({name: (32, kernel) for name, (_, kernel) in branches.items()}))
    net = CVAE({1024: (32, 2)})
    state = published.cvae_state(net, "student")
    assert len(state) == 40 and not state["cencoder_832.fc1.weight"].any()
    again = CVAE({1024: (32, 2)})
    published.load_cvae(again, state, "checkpoint-20_cvae.ckpt")
    assert all(torch.equal(value, state[name]) for name, value in again.state_dict().items())


def test_the_published_cvaes_have_the_entries_that_the_golden_cases_name() -> None:
    folder = Path(__file__).parents[1] / "data" / "gkd"
    shapes = json.loads((folder / "cvae_entries.json").read_text())
    for kind in ("student", "teacher"):
        with torch.device("meta"):
            state = CVAE({channels: (channels, k) for channels, k in published.KERNELS[kind].items()}).state_dict()
        assert {name: list(value.shape) for name, value in state.items()} == shapes[kind]
