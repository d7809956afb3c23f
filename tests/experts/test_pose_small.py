"""small-pose: what its maps mean, how it is trained, what its shipped weights know."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cache.errors import ConfigError
from models.backbones.published import load_into, read_state
from models.experts.registry import build
from models.experts.running import Setup
from models.experts.small_pose import CHANNELS, JOINTS, SmallPose
from models.experts.small_pose_people import boxes_of, network_input, padded_size, peaks, people_of, resized
from models.inference.batches import Item
from models.inference.infer import Plan
from models.published import find
from models.weights import check
from stages.derive.pretraining import pose
from stages.derive.pretraining.pose_data import PART, changed, cut, draw_world, sample, targets

PLAN = Plan("cpu", 2, 1, 1)


def standing(x: float, y: float, size: float = 60.0, seed: int = 0) -> np.ndarray:
    """Somebody (17, 3) around (x, y), all joints seen."""
    rng = np.random.default_rng(seed)
    joints = rng.uniform(-0.5, 0.5, (17, 2)) * [0.5 * size, size] + [x, y]
    joints[[5, 6, 11, 12]] = np.array([x, y]) + rng.uniform(-0.1, 0.1, (4, 2)) * size
    return np.concatenate([joints, np.full((17, 1), 2)], 1).astype(np.float32)


def maps_of(people: np.ndarray, height: int = 128, width: int = 160) -> np.ndarray:
    """What a perfect network would say."""
    told = targets([people], height, width)
    maps = np.clip(told.maps[0], 1e-4, 1 - 1e-4)
    return np.concatenate([np.log(maps / (1 - maps)), told.offsets[0]]).astype(np.float32)


def test_the_people_of_perfect_maps_are_those_that_they_were_made_of() -> None:
    truth = np.stack([standing(40, 60), standing(110, 55, 50, 1)])
    found = people_of(maps_of(truth))
    assert found.keypoints.shape == (2, 17, 3)
    order = np.argsort(found.keypoints[:, 5, 0])
    away = np.linalg.norm(found.keypoints[order][..., :2] - truth[..., :2], axis=2)
    assert away.max() < 2.0 and away.mean() < 0.8
    assert (found.keypoints[..., 2] > 0.5).all() and (found.scores > 0.5).all()
    np.testing.assert_array_equal(found.boxes, boxes_of(found.keypoints))


def test_a_joint_that_no_map_shows_lies_where_its_person_says_with_a_low_score() -> None:
    truth = standing(80, 60)[None]
    truth[0, 9, 2] = 1  # hidden
    found = people_of(maps_of(truth))
    assert np.linalg.norm(found.keypoints[0, 9, :2] - truth[0, 9, :2]) < 0.1 and found.keypoints[0, 9, 2] < 0.1


def test_nobody_is_found_in_empty_maps_and_somebody_only_once() -> None:
    nobody = people_of(np.concatenate([np.full((JOINTS + 1, 32, 40), -9.0), np.zeros((2 * JOINTS, 32, 40))]).astype(np.float32))
    assert nobody.keypoints.shape == (0, 17, 3) and nobody.boxes.shape == (0, 4)
    maps = maps_of(standing(80, 60)[None])
    middle = maps[JOINTS]
    row, column = np.unravel_index(middle.argmax(), middle.shape)
    middle[row + 2, column] = middle.max()  # a second peak nearby, with the same offsets but two cells lower
    maps[JOINTS + 1 :, row + 2, column] = maps[JOINTS + 1 :, row, column]
    maps[JOINTS + 2 :: 2, row + 2, column] -= 2 * 4 / 16
    assert len(peaks(1 / (1 + np.exp(-middle)), 0.3)) == 2
    assert len(people_of(maps).scores) == 1


def test_somebody_hardly_seen_is_nobody_and_costs_nothing() -> None:
    hidden = standing(80, 60)[None]
    hidden[0, 3:, 2] = 1
    told = targets([hidden], 96, 96)
    assert told.maps.max() == 0 and told.weights.max() == 0
    assert (told.counts[0, JOINTS] == 0).any(), "where the middle is, neither yes nor no is asked for"


@pytest.mark.parametrize(("height", "width", "padded"), [(120, 160, (128, 160)), (16, 16, (16, 16)), (97, 33, (112, 48))])
def test_input_is_padded_with_the_mean_colour_to_multiples_of_16(height: int, width: int, padded: tuple[int, int]) -> None:
    x = network_input(np.full((1, height, width, 3), 255, np.uint8))
    assert padded_size(height, width) == padded and x.shape == (1, 3, *padded)
    assert (x[..., :height, :width] > 2).all() and (x[:, :, height:] == 0).all() and (x[..., width:] == 0).all()


def test_the_network_has_a_map_for_everything_at_a_quarter_of_the_size_and_fits_into_5_megabytes() -> None:
    net = SmallPose().eval()
    with torch.inference_mode():
        assert net(torch.zeros(1, 3, 48, 32)).shape == (1, CHANNELS, 12, 8)
    assert 2 * sum(value.numel() for value in net.state_dict().values()) < 5e6


def test_changed_pictures_keep_their_people() -> None:
    drawn = draw_world(1900, 2, 2)
    rng = np.random.default_rng(0)
    for picture, people in zip(drawn.pictures, drawn.people):
        for _ in range(5):
            other, moved = cut(*changed(picture, people, rng), rng)
            assert other.shape == (*PART, 3) and moved.shape == people.shape
            seen = moved[..., 2] > 0
            assert ((moved[..., :2] >= 0) & (moved[..., :2] <= PART[0])).all(-1)[seen].all()
            spread, was = np.ptp(moved[..., :2], axis=1), np.ptp(people[..., :2], axis=1)
            np.testing.assert_allclose(spread / was, (spread / was)[0, 0], rtol=1e-3)  # scaled evenly, all alike


def test_a_few_steps_of_training_lower_the_loss(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    pose.add_options(parser)
    options = parser.parse_args(["--steps", "12", "--batch", "2"])
    options.seed, options.out = 0, tmp_path
    drawn = draw_world(1901, 1, 2)
    torch.manual_seed(0)
    net = SmallPose((16, 16, 32, 32))  # narrow, but of widths that networks have
    x, wanted = sample(drawn, np.random.default_rng(1), 2)
    before = pose.loss(net.train()(torch.from_numpy(x)), wanted).sum()
    pose.train(net, drawn, options, lambda: None)
    after = pose.loss(net.train()(torch.from_numpy(x)), wanted).sum()
    assert after < 0.9 * before


def test_an_expert_speaks_in_pixels_of_the_frames(tmp_path: Path) -> None:
    large = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    small = resized(large, 60, 80)
    options = {"working": 60, "detector_confidence": 1e-9}

    def people(frame: np.ndarray):  # type: ignore[no-untyped-def]
        expert = build("small-pose", Setup(*frame.shape[:2], PLAN, options=options))
        ((_, (one,)),) = expert(["x"], lambda name: Item(name, 1, [frame]))
        return one

    one, other = people(small), people(large)
    assert len(one.scores)
    np.testing.assert_allclose(other.keypoints[0, :, :2], 4 * one.keypoints[0, :, :2], rtol=1e-4)
    np.testing.assert_allclose(other.boxes, 4 * one.boxes, rtol=1e-4)
    with pytest.raises(ConfigError, match="mirrored"):
        build("small-pose", Setup(60, 80, PLAN, options={"mirror": True}))


def test_the_shipped_weights_find_people_far_better_than_a_mean_pose_in_the_true_box() -> None:
    known = find("small-pose", "world")
    path = check(known, known.path)
    net = SmallPose().eval()
    load_into(net, read_state(path), path.name)
    assert path.stat().st_size < 5e6 and all(value.dtype != torch.float32 for value in load_file(path).values())
    told = pose.measure(net, draw_world(2300, 12, 3), draw_world(1200, 30, 2))
    assert told["pck@0.1"] > 0.8 and told["mean pose in the true box"] < 0.7
    assert told["found"] > 0.95 and told["made up per picture"] < 0.2
