"""Losses of DualVGR and its distillation."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from cache.errors import ConfigError
from systems.videoqa.losses import HardLoss, common_loss, dependence_loss, feature_kd, hard_loss, kd_loss, logit_kd


def features(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_equal_graphs_agree_whatever_their_place_and_scale() -> None:
    x = features(0, 3, 5, 8)
    assert common_loss(x, x) == 0.0
    assert common_loss(x, 3.0 * x + 2.0) < 1e-10
    assert common_loss(x, features(1, 3, 5, 8)) > 0.01


def test_dependence_equals_the_trace_written_out_and_sums_over_the_batch() -> None:
    first, second = features(0, 3, 5, 8), features(1, 3, 5, 8)
    centre = torch.eye(5) - torch.ones(5, 5) / 5
    traces = [torch.trace(centre @ a @ a.T @ centre @ b @ b.T) for a, b in zip(first, second)]
    torch.testing.assert_close(dependence_loss(first, second), torch.stack(traces).sum(), rtol=1e-5, atol=0)
    torch.testing.assert_close(dependence_loss(first.repeat(2, 1, 1), second.repeat(2, 1, 1)), 2 * dependence_loss(first, second))


def test_constant_nodes_depend_on_nothing() -> None:
    constant = features(0, 3, 1, 8).expand(3, 5, 8)
    assert dependence_loss(constant, features(1, 3, 5, 8)) < 1e-9


def test_the_hard_loss_averages_its_auxiliary_terms_over_the_layers() -> None:
    layers = [[features(10 * name + layer, 2, 4, 6) for layer in range(3)] for name in range(4)]
    logits, answers = features(99, 2, 7), torch.tensor([3, 0])
    loss = hard_loss(logits, answers, *layers, alpha=2.0, beta=0.5)
    com_app, com_motion, aq, mq = layers
    common = sum(common_loss(com_app[k], com_motion[k]) for k in range(3))
    dependence = sum(dependence_loss(aq[k], com_app[k]) + dependence_loss(mq[k], com_motion[k]) for k in range(3))
    torch.testing.assert_close(loss.common, common)
    torch.testing.assert_close(loss.dependence, dependence)
    torch.testing.assert_close(loss.total, F.cross_entropy(logits, answers) + 2.0 * common / 3 + 0.5 * dependence / 3)


def test_one_sample_in_a_batch_is_fine() -> None:
    layer = [features(0, 1, 4, 6)]
    assert torch.isfinite(hard_loss(features(1, 1, 7), torch.tensor([[2]]), layer, layer, layer, layer, alpha=1.0, beta=1.0).total)


@given(temperature=st.floats(0.5, 8.0), clips=st.integers(1, 6), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_feature_distillation_is_a_divergence_summed_over_clips(temperature: float, clips: int, seed: int) -> None:
    student, teacher = features(seed, 3, clips, 8), features(seed + 1, 3, clips, 8)
    q, p = torch.softmax(teacher / temperature, -1), torch.softmax(student / temperature, -1)
    paper = feature_kd(student, teacher, temperature)
    torch.testing.assert_close(paper, (q * (q / p).log()).sum() / 3, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(feature_kd(student, teacher, temperature, reduction="fixed"), paper * temperature**2 / clips)
    assert paper >= 0 and feature_kd(teacher, teacher, temperature).abs() < 1e-6


def test_far_apart_features_give_a_finite_loss() -> None:
    student = (1e3 * features(0, 2, 3, 8)).requires_grad_()
    loss = feature_kd(student, -1e3 * features(0, 2, 3, 8))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(student.grad).all()


def test_the_total_weighs_the_two_modalities_apart() -> None:
    zero = torch.zeros(())
    hard = HardLoss(torch.tensor(2.0), zero, zero, zero)
    a, m, fused = features(0, 2, 3, 8), features(1, 2, 3, 8), features(2, 2, 3, 8)
    loss = kd_loss(hard, a, m, fused, kd_alpha=0.5, kd_beta=3.0, t_app=2.0, t_mo=4.0)
    torch.testing.assert_close(loss.app, feature_kd(a, fused, 2.0))
    torch.testing.assert_close(loss.mo, feature_kd(m, fused, 4.0))
    torch.testing.assert_close(loss.total, 2.0 + 0.5 * loss.app + 3.0 * loss.mo)


def test_only_the_corrected_logit_variant_is_a_divergence() -> None:
    logits = features(0, 4, 9)
    assert logit_kd(logits, logits, 2.0).abs() < 1e-6
    assert logit_kd(logits, logits, 2.0, variant="as_written") < -0.1


def test_unknown_variants_are_refused() -> None:
    x = features(0, 2, 3, 4)
    with pytest.raises(ConfigError, match="reduction"):
        feature_kd(x, x, reduction="mean")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="as_written"):
        logit_kd(x, x, variant="written")  # type: ignore[arg-type]
