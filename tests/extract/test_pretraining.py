"""The making of the small nets' weights: labels say what the plan says, probing tells signal from noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from stages.extract.pretraining.data import Batch, Clips, mirrored, moved, place_of, seen
from stages.extract.pretraining.films import STRIDE, films
from stages.extract.pretraining.labels import ACTOR_GROUPS, Vocabulary, actor_classes, build_vocabulary, facts
from stages.extract.pretraining.probe import average_precision, linear_probe
from stages.extract.pretraining.training import Heads, Recipe, boxes, pool_boxes, pose, train

GROUPS = len(ACTOR_GROUPS)


@pytest.fixture(autouse=True)
def _one_thread():
    """Tiny matrices: more threads only wait for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


PLAN = {
    "scene": "park",
    "night": True,
    "camera": {"move": "pan"},
    "things": [{"name": "dog"}],
    "actors": [
        {
            "kind": "man",
            "shirt": "red",
            "bottom": "blue",
            "hat": "",
            "holds": "cup",
            "holds_colour": "green",
            "segments": [{"action": "wave", "start": 0.0, "end": 2.0}, {"action": "jump", "start": 2.0, "end": 4.0}],
        }
    ],
}


def test_facts_follow_the_clock() -> None:
    assert facts(PLAN, 1.0, 1.0)["kind action"] == {"man wave"}
    assert facts(PLAN, 1.4, 2.6)["action"] == {"wave", "jump"}
    assert facts(PLAN, 0.9, 2.2)["action"] == {"wave"}
    found = facts(PLAN, 2.0, 2.0)
    assert (found["action"], found["held colour"], found.get("hat", set())) == ({"jump"}, {"green cup"}, set())


def test_rare_labels_are_left_out_and_vectors_follow_the_groups() -> None:
    vocabulary = build_vocabulary([{"a": {"x", "y"}}, {"a": {"x"}, "b": {"z"}}, {"b": {"z"}}], least=2)
    assert vocabulary == Vocabulary({"a": ("x",), "b": ("z",)})
    assert vocabulary.encode({"b": {"z", "q"}}).tolist() == [0, 1]
    assert vocabulary.spans() == {"a": slice(0, 1), "b": slice(1, 2)}


def test_average_precision_of_a_perfect_and_a_reversed_ranking() -> None:
    truth = np.array([1, 1, 0, 0], np.float32)
    assert average_precision(np.array([4, 3, 2, 1], np.float32), truth) == 1
    assert average_precision(np.array([1, 2, 3, 4], np.float32), truth) == pytest.approx((1 / 3 + 2 / 4) / 2)


def test_the_probe_tells_signal_from_noise() -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random((400, 2)) < 0.3).astype(np.float32)
    features = rng.standard_normal((400, 6)).astype(np.float32)
    features[:, 0] += 4 * targets[:, 0]
    report = linear_probe(features, targets, np.arange(400), Vocabulary({"known": ("k",), "noise": ("n",)}))
    assert report["known"]["mAP"] > 0.9
    assert report["noise"]["mAP"] < 0.5


def test_an_actor_has_one_class_per_group_and_none_for_what_is_rare() -> None:
    names = {"kind": ("man", "woman"), "shirt": ("blue", "red"), "bottom": ("red",), "hat": ("red",), "held": ("ball", "cup")}
    vocabulary = Vocabulary({**names, "action": ("jump", "wave")})
    assert len(ACTOR_GROUPS) == 6
    got = actor_classes(vocabulary, PLAN, PLAN["actors"][0], 1.0, 1.0)
    assert got == [0, 1, -100, 1, 1, 1]  # blue bottoms are rare here; no hat is the class after the last name
    assert actor_classes(vocabulary, PLAN, PLAN["actors"][0], 1.4, 2.6)[-1] == -100  # two actions at once
    assert actor_classes(vocabulary, PLAN, PLAN["actors"][0], 5.0, 5.0)[-1] == 2


def test_mirroring_keypoints_swaps_left_and_right() -> None:
    points = np.random.default_rng(0).random((3, 17, 2)).astype(np.float32)
    twice = mirrored(mirrored(points))
    assert np.allclose(twice, points, atol=1e-6)
    assert np.allclose(mirrored(points)[:, 0], points[:, 0] * [-1, 1] + [1, 0])
    assert np.allclose(mirrored(points)[:, 9], points[:, 10] * [-1, 1] + [1, 0])  # wrists


def test_what_is_seen_from_elsewhere_lies_where_its_keypoint_does() -> None:
    rng = np.random.default_rng(0)
    for _ in range(12):
        x, y = rng.integers(40, 70, 2).tolist()
        clip = np.zeros((1, 2, 112, 112, 3), np.uint8)
        clip[0, :, y - 1 : y + 2, x - 1 : x + 2] = 255
        place = place_of(rng)
        bright = moved(clip, place[None])[0, 1, ..., 0].astype(float)
        rows, columns = np.mgrid[:112, :112] + 0.5
        found = np.array([(bright * columns).sum(), (bright * rows).sum()]) / bright.sum() / 112
        points = np.tile(np.float32([x + 0.5, y + 0.5]) / 112, (1, 17, 1)).astype(np.float32)
        assert np.allclose(seen(points, place)[0, 0], found, atol=2e-3)


def test_films_are_drawn_once_and_clips_come_at_the_rate_of_the_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = films(tmp_path, 1999, 2)
    monkeypatch.setattr("stages.extract.pretraining.films.stage_film", None)
    again = films(tmp_path, 1999, 2)
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.frames, other.frames) and one.frames.std() > 10
        assert len(one.frames) == len(one.times) == one.points.shape[1] == -(-one.plan["frames"] // STRIDE)
        assert len(one.points) == len(one.plan["actors"])
        assert (np.abs(one.points - 0.5) < 1).mean() > 0.9
    vocabulary = build_vocabulary([facts(film.plan, t, t) for film in first for t in film.times.tolist()], least=1)
    data = Clips(first, vocabulary, 8, 4, "raw255")
    clip = data.all(0, 1)
    assert clip.shape == (1, 3, 16, 112, 112)
    assert np.array_equal(clip[0, :, ::2], clip[0, :, 1::2])
    assert np.array_equal(clip[0, :, ::2], np.moveaxis(first[0].frames[:8], -1, 0))
    drawn = data.sample(np.random.default_rng(0), 3)
    assert drawn.inputs.shape == (3, 3, 16, 112, 112) and drawn.targets.shape == (3, vocabulary.size)
    assert len(drawn.owner) == len(drawn.points) == len(drawn.classes)


def test_seeds_of_demos_are_refused_for_training(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="seed 999 may be that of a demo's world"):
        films(tmp_path, 999, 1)


@pytest.mark.parametrize("steps", [1, 2])
def test_pooling_under_a_box_takes_the_cells_that_it_covers(steps: int) -> None:
    last = torch.arange(steps * 16.0).reshape(1, 1, steps, 4, 4)
    box = torch.tensor([0.25, 0.5, 0.75, 1.0]).expand(1, 4 * steps, 4)
    want = last[0, 0, :, 2:, 1:3].mean((1, 2))
    got = pool_boxes(last if steps > 1 else last[:, :, 0], torch.zeros(1, dtype=torch.int64), box)
    assert torch.allclose(got, want.reshape(1, steps, 1))


def test_pose_does_not_depend_on_place_and_tells_movement() -> None:
    generator = torch.Generator().manual_seed(0)
    still = torch.rand(2, 1, 17, 2, generator=generator).expand(2, 8, 17, 2) * 0.4 + 0.3
    assert torch.allclose(pose(still, 2), pose(still + 0.1, 2), atol=1e-5)
    assert pose(still, 2).shape == (2, 2, 68)
    assert not pose(still, 2)[..., 34:].any()
    moving = still + torch.arange(8).reshape(1, 8, 1, 1) * torch.tensor([0.01, 0.0])
    assert (pose(moving, 2)[..., 34::2] > 0).all()
    around = boxes(still)
    assert (around[..., 0] < still[..., 0].amin(2)).all() and (around[..., 3] > still[..., 1].amax(2)).all()


class Tiny(nn.Module):
    """A network with the taps that training uses."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(2, 4, 1)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.layer(x))

    def pool(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3))


def test_training_learns_and_repeats_itself() -> None:
    def sample(rng: np.random.Generator, batch: int) -> Batch:
        x = rng.standard_normal((batch, 2, 1, 1)).astype(np.float32)
        y = x[:, :1, 0, 0] > 0
        points = rng.random((batch, 1, 17, 2)).astype(np.float32)
        return Batch(torch.from_numpy(x), y.astype(np.float32), np.arange(batch), points, np.repeat(y, GROUPS, axis=1).astype(np.int64))

    def once() -> Tiny:
        torch.manual_seed(0)
        ones = np.ones(1, np.float32)
        return train(Tiny(), 4, ones / 2, [2] * GROUPS, sample, ones, Recipe(steps=120, batch=32, rate=0.01, seed=0))

    first, second = once(), once()
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values()))
    data = sample(np.random.default_rng(9), 200)
    feature = first.pool(first.forward_features(data.inputs)).detach().numpy()
    assert max(abs(np.corrcoef(column, data.targets[:, 0])[0, 1]) for column in feature.T if column.std() > 0) > 0.5


def test_somebody_out_of_the_picture_leaves_gradients_finite() -> None:
    heads = Heads(4, np.full(3, 0.5, np.float32), [2] * GROUPS)
    last = torch.rand(1, 4, 7, 7, requires_grad=True)
    away = np.full((1, 1, 17, 2), 2, np.float32)
    batch = Batch(torch.empty(0), np.zeros((1, 3), np.float32), np.zeros(1, np.int64), away, np.zeros((1, GROUPS), np.int64))
    torch.stack(list(heads(last.mean((2, 3)), last, batch, torch.ones(3)).values())).sum().backward()
    assert last.grad is not None and last.grad.isfinite().all()
