"""Frames of any size for networks that take some sizes only."""

from __future__ import annotations

import pytest
import torch

from cache.errors import ConfigError
from models.experts.flow_fit import RULES, Fit


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("size", [(64, 128), (100, 130), (127, 65), (200, 199)])
def test_the_network_sees_multiples_and_the_flow_has_the_frames_size_again(rule: str, size: tuple[int, int]) -> None:
    fit = Fit(rule, *size, 64)
    seen = fit.to_network(torch.rand(2, 3, *size))
    assert seen.shape[2:] == fit.size and not any(n % 64 for n in fit.size)
    flow = fit.to_frame(torch.rand(2, 2, *fit.size))
    assert flow.shape[2:] == (fit.size if rule == "crop" else size)


@pytest.mark.parametrize("rule", RULES)
def test_frames_that_fit_are_left_alone(rule: str) -> None:
    fit, frames, flow = Fit(rule, 64, 128, 64), torch.rand(1, 3, 64, 128), torch.rand(1, 2, 64, 128)
    assert torch.equal(fit.to_network(frames), frames) and torch.equal(fit.to_frame(flow), flow)


def test_a_resized_flow_is_scaled_back_axis_by_axis() -> None:
    fit = Fit("resize", 96, 80, 64)  # seen as 128 x 128
    flow = torch.ones(1, 2, 128, 128)
    back = fit.to_frame(flow)
    assert torch.allclose(back[:, 0], torch.tensor(80 / 128)) and torch.allclose(back[:, 1], torch.tensor(96 / 128))


def test_crop_keeps_the_middle() -> None:
    frames = torch.arange(71.0).reshape(1, 1, 1, 71).expand(1, 1, 131, 71)
    kept = Fit("crop", 131, 71, 64).to_network(frames)
    assert kept.shape == (1, 1, 128, 64) and kept[0, 0, 0, 0] == 3.0  # (71 - 64) // 2


def test_pad_repeats_the_border_evenly_and_is_cut_off_again() -> None:
    fit, frames = Fit("pad", 60, 61, 64), torch.rand(1, 2, 60, 61)
    padded = fit.to_network(frames)
    assert torch.equal(padded[..., 2:62, 1:62], frames)
    assert torch.equal(padded[..., 0, 1:62], frames[..., 0, :]) and torch.equal(padded[..., 2:62, 63], frames[..., 60])
    assert torch.equal(fit.to_frame(padded), frames)


def test_small_frames_are_padded_up_to_the_least_size() -> None:
    assert Fit("pad", 50, 130, 8, 128).size == (128, 136)


def test_an_unknown_rule_names_the_nearest_and_a_frame_too_small_to_crop_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown size_rule 'resise'") as unknown:
        Fit("resise", 64, 64, 64)
    assert "resize" in str(unknown.value.hint)
    with pytest.raises(ConfigError, match="too small for size_rule=crop"):
        Fit("crop", 63, 200, 64)
