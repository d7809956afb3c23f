"""The measures of benchmarks/derive_quality.py: what is right scores fully, what is off by a known amount scores that."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "derive_quality.py"


@pytest.fixture(scope="module")
def quality() -> ModuleType:
    spec = importlib.util.spec_from_file_location("derive_quality", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def people(*persons: np.ndarray) -> SimpleNamespace:
    poses = np.stack(persons)
    low, high = poses.min(1), poses.max(1)
    return SimpleNamespace(keypoints=np.concatenate([poses, np.ones((*poses.shape[:2], 1))], 2), boxes=np.concatenate([low, high - low], 1))


@pytest.fixture
def clip(quality: ModuleType) -> object:
    rng = np.random.default_rng(0)
    made = quality.Clip("a")
    made.flow = [rng.normal(0, 2, (6, 8, 2)).astype(np.float32)]
    made.place = [np.full((6, 8), quality.PLACES.index("ground elsewhere"))]
    made.depth = [rng.uniform(1, 9, (6, 8)).astype(np.float32)]
    joints = np.stack([rng.uniform(0, 50, (17, 2)), rng.uniform(70, 120, (17, 2))])
    joints[:, :2] = [[[0, 0], [50, 50]], [[70, 70], [120, 120]]]  # boxes of 50 x 50
    made.people = [(joints, np.ones((2, 17), bool))]
    return made


def test_the_truth_itself_scores_fully(quality: ModuleType, clip: object) -> None:
    assert quality.flows(clip, clip.flow) == {"epe": 0.0, "epe_known": 0.0, "epe_moving": 0.0}
    assert quality.depths(clip, clip.depth) == {"abs_rel": 0.0}
    assert quality.skeletons(clip, [people(*clip.people[0][0][::-1])]) == {"pck": 1.0, "pck_all": 1.0, "found": 1.0}


def test_known_errors_score_what_they_are(quality: ModuleType, clip: object) -> None:
    off = quality.flows(clip, [clip.flow[0] + np.array([3, 4], np.float32)])
    assert off == pytest.approx({"epe": 5.0, "epe_known": 5.0, "epe_moving": 5.0}, rel=1e-5)
    assert quality.depths(clip, [clip.depth[0] * 1.5])["abs_rel"] == pytest.approx(0.5, rel=1e-5)


def test_only_pixels_that_move_count_as_moving(quality: ModuleType, clip: object) -> None:
    clip.flow = [np.zeros((6, 8, 2), np.float32)]
    assert np.isnan(quality.flows(clip, clip.flow)["epe_moving"])
    clip.flow[0][0, 0] = (3, 4)
    assert quality.flows(clip, [np.zeros((6, 8, 2), np.float32)])["epe_moving"] == 5.0


def test_pixels_whose_flow_is_not_known_count_in_the_first_measure_alone(quality: ModuleType, clip: object) -> None:
    clip.flow = [np.zeros((6, 8, 2), np.float32)]
    clip.flow[0][:, :4] = (3, 4)
    clip.place[0][:, :4] = quality.PLACES.index("leaves, or is covered")
    scores = quality.flows(clip, [np.zeros((6, 8, 2), np.float32)])
    assert (scores["epe"], scores["epe_known"]) == (2.5, 0.0) and np.isnan(scores["epe_moving"])


@pytest.mark.parametrize(("shift", "share"), [(4.9, 1.0), (5.1, 0.0)])
def test_a_joint_may_be_off_by_a_tenth_of_the_box(quality: ModuleType, clip: object, shift: float, share: float) -> None:
    moved = clip.people[0][0] + np.array([shift, 0.0])
    assert quality.skeletons(clip, [people(*moved)]) == {"pck": share, "pck_all": share, "found": 1.0}


def test_people_who_are_not_found_count_in_all_and_strangers_do_not(quality: ModuleType, clip: object) -> None:
    first, _ = clip.people[0][0]
    stranger = first + 400
    assert quality.skeletons(clip, [people(stranger, first)]) == {"pck": 1.0, "pck_all": 0.5, "found": 0.5}
    nobody = SimpleNamespace(keypoints=np.zeros((0, 17, 3)), boxes=np.zeros((0, 4)))
    assert np.isnan(quality.skeletons(clip, [nobody])["pck"]) and quality.skeletons(clip, [nobody])["pck_all"] == 0.0


def test_hidden_joints_count_nowhere(quality: ModuleType, clip: object) -> None:
    joints, seen = clip.people[0]
    wrong = joints.copy()
    wrong[:, 2:] = wrong[:, :2].mean(1, keepdims=True)  # all but the corners of the box
    assert quality.skeletons(clip, [people(*wrong)])["pck_all"] < 0.5
    seen[:, 2:] = False
    assert quality.skeletons(clip, [people(*wrong)])["pck_all"] == 1.0


def test_the_best_constant_depth_is_no_worse_than_any_other(quality: ModuleType, clip: object) -> None:
    named = {name: quality.measured("depth", [clip], outputs)["abs_rel"][0] for name, outputs in quality.baselines("depth", [clip]).items()}
    others = [quality.depths(clip, [np.full((6, 8), value)])["abs_rel"] for value in np.linspace(1, 9, 200)]
    assert named["best constant depth"] <= min(others) + 1e-3 and named["best constant depth"] <= named["median depth"]


def test_the_mean_pose_of_one_person_is_that_person(quality: ModuleType, clip: object) -> None:
    joints, seen = clip.people[0]
    clip.people = [(joints[:1], seen[:1])]
    ((_, outputs),) = quality.baselines("skeleton", [clip]).items()
    assert quality.skeletons(clip, outputs[0]) == {"pck": 1.0, "pck_all": 1.0, "found": 1.0}
