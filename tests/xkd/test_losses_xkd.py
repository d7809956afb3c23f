"""Losses against their definitions, written out."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from systems.xkd.losses import GAMMAS, Distillation, mmd
from systems.xkd.refine import cross_attention, refined


def test_distillation_is_the_mean_over_all_pairs_of_views() -> None:
    net = Distillation(7)
    net.center += torch.randn(1, 7)
    student, teacher = torch.randn(3 * 4, 7), torch.randn(2 * 4, 7)
    q = ((teacher - net.center) / 0.05).softmax(-1)
    pairs = [-(t * s).sum(-1).mean() for t in q.split(4) for s in (student / 0.1).log_softmax(-1).split(4)]
    assert torch.allclose(net(student, teacher, 0.1, 0.05, teacher_views=2), torch.stack(pairs).mean())


def test_the_centre_follows_the_mean_of_the_batch() -> None:
    net, teacher = Distillation(7, momentum=0.75), torch.randn(4, 7)
    net(torch.randn(4, 7), teacher, 0.1, 0.1)
    assert torch.allclose(net.center, 0.25 * teacher.mean(0, keepdim=True))


def test_alignment_is_what_pairwise_differences_give() -> None:
    x, y = (F.layer_norm(torch.randn(n, 512), (512,)) for n in (5, 3))
    x[1] = x[0] + 1e-3 * torch.randn(512)  # a near pair, which single precision cannot tell apart

    def k(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        d = (a.double()[:, None] - b.double()).square().sum(-1)
        return sum(torch.exp(-gamma * d) for gamma in GAMMAS).mean()

    expected = k(x, x) + k(y, y) - 2 * k(x, y)
    assert torch.allclose(mmd(x, y).double(), expected, rtol=1e-6)


def test_alignment_of_equal_rows_is_nothing_and_its_gradient_is_finite() -> None:
    x = F.layer_norm(torch.randn(4, 8192), (8192,)).requires_grad_()
    loss = mmd(x, x.detach().clone())
    loss.backward()
    assert abs(loss.item()) < 1e-5 and bool(torch.isfinite(x.grad).all())


def test_alignment_leaves_autocast() -> None:
    x = F.layer_norm(torch.randn(4, 512), (512,))
    y = x + 0.05 * torch.randn(4, 512)  # distances of 1.3, where half precision has steps of 2
    outside = mmd(x, y)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(mmd(x, y), outside)
        assert abs(mmd(x, y, "own") - outside) > 0.1


def test_refined_features_keep_the_length_of_their_mean() -> None:
    own, other, features = torch.rand(2, 3, 6), torch.rand(2, 3, 9), torch.randn(2, 6, 5)
    for mode in ("mean", "softmax"):
        found = refined(features, cross_attention(own, other, mode))
        assert torch.allclose(found.mean(1).norm(dim=-1), features.mean(1).norm(dim=-1), atol=1e-6)
        assert not torch.allclose(found.mean(1), features.mean(1))


def test_the_other_modality_enters_as_one_number_a_head() -> None:
    own, other = torch.rand(2, 3, 6), torch.rand(2, 3, 9)
    shuffled = other[..., torch.randperm(9)]
    assert torch.allclose(cross_attention(own, other), cross_attention(own, shuffled))
    assert torch.allclose(cross_attention(own, other).mean(-1), other.mean(-1))
