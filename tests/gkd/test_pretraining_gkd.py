"""The weights of small_i3d: what they were made from, and that they know actions of people they never saw."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.backbones.published import load_into, read_state
from models.backbones.registry import build
from models.training.crops import At, Box
from models.weights import check, find
from systems.gkd.recognition import pretraining
from systems.gkd.recognition.first import with_shipped_weights
from systems.gkd.recognition.network import Recogniser
from systems.gkd.recognition.pretraining import ACTIONS, Shot, accuracy, example, shots, train
from systems.gkd.recognition.views import View, see
from world import clips


@pytest.fixture(scope="module")
def drawn() -> list[Shot]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(clips.SIZES, "large", ((22, 4, 10), 2, 1))
        return list(shots([77]))


def test_every_group_gives_one_clip_of_each_action(drawn: list[Shot]) -> None:
    assert [shot.label for shot in drawn] == list(range(len(ACTIONS)))
    assert all(shot.pictures.shape[1:] == (54, 72, 3) and shot.joints.shape == (len(shot.pictures), 17, 2) for shot in drawn)


def test_shipped_weights_name_actions_of_people_they_never_saw(drawn: list[Shot]) -> None:
    entry = find("small_i3d", "world")
    net = load_into(build("small_i3d"), read_state(check(entry, entry.path)), entry.file).eval()
    assert accuracy(net, drawn) >= 100 * 5 / 12  # 72 % of many clips; chance is one of twelve


@pytest.mark.parametrize("mirror", [False, True])
def test_joints_lie_where_the_view_shows_them(mirror: bool) -> None:
    """A dot is painted where the nose is; hips are in the middle."""
    pictures = np.zeros((1, 54, 72, 3), np.uint8)
    pictures[0, 19:22, 29:32] = 255
    joints = np.full((1, 17, 2), 36.0, np.float32)
    joints[0, 0] = 30.5, 20.5
    view = View(Box(2, 12, 47, 54), mirror)
    down, right = (float(axis.mean()) + 0.5 for axis in np.nonzero(see(pictures, view, 48)[0, ..., 0] > 127))
    found = pretraining._seen(joints, view, (54, 72))[0]
    nose = found[0] + found[1]
    np.testing.assert_allclose(nose, np.array([right, down]) / 24 - 1, atol=0.03)


def test_an_example_is_a_function_of_its_place(drawn: list[Shot]) -> None:
    first, again = (example(drawn[3], At(1, 2, 3)) for _ in range(2))
    assert first[0].shape == (3, 16, 48, 48) and first[1].shape == (8, 18, 2)
    np.testing.assert_array_equal(first[0], again[0])
    assert not np.array_equal(first[0], example(drawn[3], At(1, 3, 3))[0])


def test_a_training_gives_the_networks_entries(drawn: list[Shot], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "pretraining")
    net = train([*drawn, *drawn], 2, 1e-3, 0)
    assert {name: value.shape for name, value in net.state_dict().items()} == {
        name: value.shape for name, value in build("small_i3d").state_dict().items()
    }
    assert all(bool(torch.isfinite(value).all()) for value in net.state_dict().values())
    assert "epoch 2" in caplog.text


def test_a_student_takes_them_where_its_parameters_say_so() -> None:
    def student() -> Recogniser:
        torch.manual_seed(0)
        return Recogniser("student", 3, frames=16, size=48, width=0.125)

    entry = find("small_i3d", "world")
    shipped, name = read_state(entry.path), "Mixed_5c.b1b.conv3d.weight"
    plain, begun = student(), with_shipped_weights("world", student())
    assert torch.equal(with_shipped_weights("random", student()).backbone.net.get_parameter(name), plain.backbone.net.get_parameter(name))
    assert torch.equal(begun.backbone.net.get_parameter(name), shipped[name].float())
    assert torch.equal(begun.backbone.net.logits.conv3d.weight, plain.backbone.net.logits.conv3d.weight)  # its own classes
