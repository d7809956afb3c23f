"""What the networks promise beyond the originals' numbers."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from cache.errors import ConfigError
from cache.stage import Node
from stages.ingest import STAGE as INGEST
from systems.fewerframes import NETWORKS, TEACHER, TeacherParams
from systems.fewerframes.batch_norm import DECAY, BatchNorm
from systems.fewerframes.hlstm import HLSTM
from systems.fewerframes.mixture import MixNeXtVLAD, self_distillation
from systems.fewerframes.netvlad import NetVLAD
from systems.fewerframes.networks import arguments, build
from systems.fewerframes.nextvlad import NeXtVLAD
from systems.fewerframes.output import Output
from systems.fewerframes.possible import check

SMALL = {"feature_sizes": (16, 8), "groups": 4, "clusters": 4, "hidden": 12, "gating_reduction": 4}


def nextvlad(**changes: object) -> NeXtVLAD:
    torch.manual_seed(0)
    return NeXtVLAD(5, **{**SMALL, "drop_rate": 0.0, **changes})


BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "nextvlad": nextvlad,
    "moe": lambda: nextvlad(classifier="moe"),
    "rgb alone": lambda: nextvlad(feature_sizes=(24,)),
    "mixture": lambda: MixNeXtVLAD(5, branches=2, drop_rate=0.0, **SMALL),
    "hlstm": lambda: HLSTM(5, width=24, cells=6, blocks=3),
    "netvlad": lambda: NetVLAD(5, feature_sizes=(16, 8), clusters=4, hidden=12),
    "netvlad relu": lambda: NetVLAD(5, feature_sizes=(16, 8), clusters=4, hidden=12, relu=True, gating=False, probability_gating=False),
}


def batch(frames: int = 6, counts: tuple[int, ...] = (6, 3, 1, 5)) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.randn(len(counts), frames, 24), torch.arange(frames) < torch.tensor(counts)[:, None]


def outputs(model: nn.Module, x: Tensor, present: Tensor) -> Output:
    out = model(x, present)
    return out if isinstance(out, Output) else out.mixed


@pytest.mark.parametrize("name", BUILDERS)
def test_every_network_gives_probabilities_and_a_representation(name: str) -> None:
    x, present = batch()
    out = outputs(BUILDERS[name]().eval(), x, present)
    assert out.probabilities.shape == (4, 5) and ((out.probabilities > 0) & (out.probabilities < 1)).all()
    assert out.representation.shape[0] == 4
    assert out.logits is None or torch.allclose(torch.sigmoid(out.logits), out.probabilities)


@pytest.mark.parametrize("name", ["nextvlad", "moe", "mixture", "hlstm"])
def test_gradients_are_finite_for_a_video_without_frames(name: str) -> None:
    x, present = batch(counts=(6, 0, 1, 0))
    model = BUILDERS[name]().train()
    outputs(model, x, present).probabilities.sum().backward()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert gradients and all(torch.isfinite(gradient).all() for gradient in gradients)


def test_the_order_of_frames_does_not_matter_to_nextvlad() -> None:
    x, present = batch()
    model = nextvlad().eval()
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    assert torch.allclose(model(x, present).probabilities, model(x[:, order], present[:, order]).probabilities, atol=1e-6)


def test_the_order_of_frames_matters_to_the_hierarchical_lstm() -> None:
    x, _ = batch()
    everything = torch.ones(4, 6, dtype=torch.bool)
    model = HLSTM(5, width=24, cells=6, blocks=3).eval()
    assert not torch.allclose(model(x, everything).representation, model(x.flip(1), everything).representation, atol=1e-4)


@pytest.mark.parametrize("name", ["nextvlad", "hlstm"])
def test_padded_frames_do_not_matter_in_eval_mode(name: str) -> None:
    x, present = batch()
    model = BUILDERS[name]().eval()
    other = torch.where(present[..., None], x, torch.full_like(x, 9.0))
    assert torch.allclose(model(x, present).probabilities, model(other, present).probabilities, atol=1e-6)


def test_padded_frames_enter_the_statistics_of_nextvlad_in_training_mode() -> None:
    x, present = batch()
    other = torch.where(present[..., None], x, torch.full_like(x, 9.0))
    assert not torch.allclose(nextvlad().train()(x, present).logits, nextvlad().train()(other, present).logits, atol=1e-3)


def test_a_teacher_and_a_student_have_the_same_state_whatever_number_of_frames_they_see() -> None:
    model = nextvlad().eval()
    x, present = batch()
    assert model(x[:, ::2], present[:, ::2]).representation.shape == model(x, present).representation.shape


def test_the_published_setting_has_its_number_of_parameters() -> None:
    with torch.device("meta"):
        model = NeXtVLAD(3862)
    assert sum(parameter.numel() for parameter in model.parameters()) == 88_889_378


def test_the_published_hierarchical_lstm_has_its_number_of_parameters() -> None:
    with torch.device("meta"):
        model = HLSTM(4716)
    assert sum(parameter.numel() for parameter in model.parameters()) == 143_271_128


def test_kernels_start_with_the_published_spread_and_are_cut_at_two_sigma() -> None:
    weights = nextvlad(feature_sizes=(256, 8)).video_VLAD.fully_connected.weights
    sigma = (1.3 * 2 / 256) ** 0.5
    assert weights.abs().max() <= 2 * sigma
    assert float(weights.std()) == pytest.approx(0.88 * sigma, rel=0.02)  # a normal cut at 2 sigma has 0.88 of its deviation


@pytest.mark.parametrize("fused", [True, False])
def test_moving_variance_takes_the_unbiased_variance_in_fused_layers_only(fused: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(5, 3)
    layer = BatchNorm(3, fused=fused).train()
    layer(x)
    expected = DECAY + (1 - DECAY) * x.var(0, unbiased=fused)
    assert torch.allclose(layer.running_var, expected, atol=1e-7)
    assert torch.allclose(layer.running_mean, (1 - DECAY) * x.mean(0), atol=1e-7)


def test_a_batch_of_one_video_can_be_trained_on() -> None:
    x, present = batch(counts=(6,))
    assert torch.isfinite(nextvlad().train()(x, present).probabilities).all()


def test_branches_that_agree_with_the_mixture_have_nothing_to_learn_from_it() -> None:
    logits = torch.randn(4, 7)
    assert float(self_distillation(logits, logits[:, None].expand(4, 3, 7))) == pytest.approx(0.0, abs=1e-6)
    assert float(self_distillation(logits, -logits[:, None])) > 0.01


def test_groups_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ConfigError, match="do not split into 5 groups"):
        nextvlad(groups=5)


def test_frames_that_do_not_fill_the_blocks_are_refused() -> None:
    with pytest.raises(ConfigError, match="7 frames do not split into 3 blocks"):
        HLSTM(5, width=24, cells=6, blocks=3)(*batch(frames=7))


def test_an_unknown_classifier_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="logistic"):
        nextvlad(classifier="logistik")


@settings(max_examples=60, deadline=None)
@given(
    chosen=st.fixed_dictionaries(
        {
            "network": st.sampled_from(NETWORKS),
            "classifier": st.sampled_from(["logistic", "moe"]),
            "modalities": st.sampled_from(["both", "rgb"]),
            "groups": st.integers(2, 5),
            "clusters": st.integers(2, 4),
            "expansion": st.sampled_from([0.05, 0.25, 0.5, 1.0, 2.0]),
            "blocks": st.integers(1, 4),
            "max_frames": st.integers(1, 8),
        }
    ),
    audio=st.sampled_from([0, 1, 8]),
)
def test_a_network_is_built_and_answers_where_its_parameters_can_go_together_and_nowhere_else(
    chosen: dict[str, object], audio: int
) -> None:
    params = TeacherParams(hidden=8, gating_reduction=2, cells=3, branches=2, **chosen)
    ingest = Node("ingest", INGEST, SimpleNamespace(rgb=16, audio=audio), {})
    sizes = (16, audio) if params.modalities == "both" and audio else (16,)
    x, present = torch.zeros(2, params.max_frames, sum(sizes)), torch.ones(2, params.max_frames, dtype=torch.bool)
    try:
        check({"ingest": ingest, "teacher.s0": Node("teacher.s0", TEACHER, params, {})})
    except ConfigError:
        with pytest.raises((ConfigError, TypeError, RuntimeError, ZeroDivisionError)):
            build(**arguments(params, 3, sizes)).eval()(x, present)
    else:
        build(**arguments(params, 3, sizes)).eval()(x, present)
