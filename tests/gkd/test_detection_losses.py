"""The detection losses: matching, edge cases, and what is and is not moved."""

import pytest
import torch
from torch import Tensor

from systems.gkd.detection import overlap
from systems.gkd.detection.losses import background_classes, boundary_bce, contrastive, focal, multisegment, quarter
from systems.gkd.detection.matching import gaps, matched, refined
from systems.gkd.detection.proposals import level_lengths, priors_of
from systems.gkd.detection.pyramid import Detections

LENGTHS = level_lengths(256, 6)
PRIORS = priors_of(LENGTHS)


def predictions(batch: int = 1, classes: int = 5) -> Detections:
    generator = torch.Generator().manual_seed(0)
    shapes = {"loc": 2, "conf": classes, "prop_loc": 2, "prop_conf": classes, "center": 1}
    drawn = {name: torch.randn(batch, len(PRIORS), width, generator=generator) for name, width in shapes.items()}
    drawn["loc"] = (drawn["loc"] + 3).exp()
    leaves = [value.requires_grad_() for value in drawn.values()]
    return Detections(*leaves, PRIORS, *(torch.zeros(0),) * 6)


def test_a_position_takes_the_shortest_action_that_it_lies_in_and_of_equals_the_first() -> None:
    target = torch.tensor([[0.1, 0.9, 1.0], [0.4, 0.6, 2.0], [0.4, 0.6, 3.0]])
    goals, classes = matched(PRIORS, target, 256)
    inside = (PRIORS[:, 0] >= 0.4) & (PRIORS[:, 0] <= 0.6)
    outside = (PRIORS[:, 0] < 0.1) | (PRIORS[:, 0] > 0.9)
    assert set(classes[inside].tolist()) == {2} and set(classes[outside].tolist()) == {0}
    assert set(classes[~inside & ~outside].tolist()) == {1}
    torch.testing.assert_close(goals[inside].sum(1), torch.full((int(inside.sum()),), 0.2 * 256))


def test_a_clip_without_actions_is_background_everywhere() -> None:
    found = predictions()
    losses = multisegment(found, [torch.zeros(0, 3)], 256)
    assert float(losses.loc) == float(losses.prop_loc) == float(losses.center) == 0.0
    torch.testing.assert_close(losses.conf, background_classes(found.conf))
    sum(losses).backward()
    assert found.conf.grad is not None and bool(found.conf.grad.any())


def test_actions_of_class_0_leave_what_background_classes_is() -> None:
    found = predictions(2)
    losses = multisegment(found, [gaps(torch.tensor([[0.2, 0.3, 4.0]]))] * 2, 256)
    torch.testing.assert_close(losses.conf, background_classes(found.conf))
    assert float(losses.loc) == 0.0


def test_plain_cross_entropy_takes_the_place_of_the_focal_loss_when_asked() -> None:
    found, target = predictions(), torch.tensor([[0.2, 0.5, 1.0]])
    focussed, plain = (multisegment(found, [target], 256, focal_loss=how) for how in (True, False))
    assert float(plain.conf) > float(focussed.conf)
    assert torch.equal(plain.loc, focussed.loc)


def test_quality_moves_the_segments_too_but_refined_targets_are_fixed() -> None:
    found, target = predictions(), torch.tensor([[0.2, 0.5, 1.0]])
    losses = multisegment(found, [target], 256, piou=0.0)
    of_center = torch.autograd.grad(losses.center, [found.loc, found.prop_loc], retain_graph=True)
    assert all(bool(gradient.any()) for gradient in of_center)
    of_prop = torch.autograd.grad(losses.prop_loc, found.loc, allow_unused=True)
    assert of_prop == (None,)


def test_coarse_segments_with_too_little_overlap_are_refined_as_background() -> None:
    loc, goals = torch.tensor([[10.0, 10.0], [1.0, 1.0]]), torch.tensor([[10.0, 12.0], [10.0, 12.0]])
    corrections, classes = refined(loc, goals, torch.tensor([3, 3]), 0.5)
    assert classes.tolist() == [3, 0]
    torch.testing.assert_close(corrections, torch.tensor([[0.0, 0.2], [9.0, 11.0]]))


def test_focal_loss_is_its_formula() -> None:
    logits, classes = torch.tensor([[0.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1])
    p = [0.5 + 1e-6, float(torch.tensor([2.0, 0.0]).softmax(0)[1]) + 1e-6]
    wanted = -0.25 * (1 - p[0]) ** 2 * torch.tensor(p[0]).log() - 0.75 * (1 - p[1]) ** 2 * torch.tensor(p[1]).log()
    torch.testing.assert_close(focal(logits, classes), wanted)


def test_overlaps_are_those_of_intervals() -> None:
    a, b = torch.tensor([[2.0, 2.0]]), torch.tensor([[1.0, 5.0]])
    assert float(overlap.iou(a, b)) == pytest.approx(3 / 7)
    assert float(overlap.ioa(a, b)) == pytest.approx(3 / 4)
    assert float(overlap.giou_loss(a, b)) == pytest.approx(1 - 3 / 7)


def test_gaps_are_what_lies_between_actions() -> None:
    target = torch.tensor([[0.125, 0.25, 3.0], [0.5, 0.75, 1.0]])
    assert gaps(target).tolist() == [[0.0, 0.125, 0.0], [0.25, 0.5, 0.0], [0.75, 1.0, 0.0]]


def test_boundaries_read_every_fourth_step_and_saturated_activations_stay_finite() -> None:
    maps = torch.zeros(1, 8)
    maps[0, 4] = 1
    assert quarter(maps).tolist() == [[0.0, 1.0]]
    perfect: Tensor = torch.zeros(1, 2, 3)
    perfect[0, 1] = 50.0
    assert float(boundary_bce(perfect, quarter(maps))) == 0.0
    assert float(boundary_bce(perfect, 1 - quarter(maps))) == 100.0


def test_a_triplet_in_order_costs_nothing_and_one_without_distances_the_margin() -> None:
    near, far = torch.zeros(1, 4), torch.full((1, 4), 9.0)
    assert float(contrastive([(near, near, far)] * 3)) == 0.0
    assert float(contrastive([(near, near, near)] * 3)) == pytest.approx(1.2)
