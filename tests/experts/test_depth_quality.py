"""The measures of depth, and the loss."""

from __future__ import annotations

import math

import numpy as np
import torch

from models.experts.depth_quality import depth_errors, eigen_mask, garg_mask, silog_loss


def test_a_perfect_map_has_no_error() -> None:
    truth = np.linspace(1, 9, 20)
    errors = depth_errors(truth, truth)
    assert all(errors.pop(f"a{k}") == 1 for k in (1, 2, 3))
    assert set(errors.values()) == {0.0} and len(errors) == 6


def test_a_map_twice_as_far_has_the_errors_that_a_pencil_gives() -> None:
    truth = np.full((2, 2), 4.0)
    errors = depth_errors(truth, 2 * truth)
    assert errors["a1"] == errors["a2"] == 0 and errors["a3"] == 0
    assert (errors["abs_rel"], errors["sq_rel"], errors["rmse"]) == (1, 4, 4)
    assert math.isclose(errors["rmse_log"], math.log(2)) and math.isclose(errors["log_10"], math.log10(2))
    assert errors["silog"] == 0


def test_the_loss_counts_a_common_factor_less_than_its_spread() -> None:
    truth = torch.rand(1, 1, 8, 8) + 1
    factor = silog_loss(1.2 * truth, truth)
    torch.testing.assert_close(factor, torch.tensor(10 * math.sqrt(0.15) * math.log(1.2)), atol=1e-4, rtol=1e-4)
    spread = truth * torch.where(torch.rand(1, 1, 8, 8) < 0.5, 1.2, 1 / 1.2)
    assert silog_loss(spread, truth) > 2 * factor


def test_masked_pixels_do_not_count_in_the_loss() -> None:
    truth, depth = torch.rand(1, 1, 8, 8) + 1, torch.rand(1, 1, 8, 8) + 1
    mask = torch.rand(1, 1, 8, 8) < 0.5
    spoiled = torch.where(mask, truth, 0.0)
    assert torch.equal(silog_loss(depth, truth, mask), silog_loss(depth, spoiled, mask))


def test_the_masks_are_those_of_the_two_benchmarks() -> None:
    assert int(eigen_mask(480, 640).sum()) == (471 - 45) * (601 - 41)
    mask = garg_mask(352, 1216)
    assert mask[int(0.40810811 * 352) :].any() and not mask[: int(0.40810811 * 352)].any()
    assert np.flatnonzero(mask.any(0))[[0, -1]].tolist() == [int(0.03594771 * 1216), int(0.96405229 * 1216) - 1]
