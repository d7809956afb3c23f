"""Losses: terms, presets, quirks."""

from __future__ import annotations

import pytest
import torch

from cache.errors import ConfigError
from systems.fewerframes.losses import PRESETS, REIMPL_BATCH, Objective, Target, Term, kl_bernoulli, kl_classes
from systems.fewerframes.output import Output


def outputs(videos: int = 4, classes: int = 6, seed: int = 0) -> tuple[Output, Target, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(videos, classes, generator=generator, requires_grad=True)
    representation = torch.randn(videos, 3, generator=generator, requires_grad=True)
    teacher = Target(torch.randn(videos, 3, generator=generator), torch.rand(videos, classes, generator=generator))
    labels = (torch.rand(videos, classes, generator=generator) < 0.3).float()
    return Output(representation, torch.sigmoid(logits), logits), teacher, labels


def doubled(student: Output, teacher: Target, labels: torch.Tensor) -> tuple[Output, Target, torch.Tensor]:
    twice = [torch.cat([part, part]) for part in (*student, *teacher, labels)]
    return Output(*twice[:3]), Target(*twice[3:5]), twice[5]


def test_published_sums_grow_with_the_batch_and_their_twins_do_not() -> None:
    given = outputs()
    for name, factor in (("reimpl", 2.0), ("reimpl-mean", 1.0), ("paper", 1.0)):
        _, parts = PRESETS[name](given[0], given[2], given[1])
        _, more = PRESETS[name](*(lambda s, t, y: (s, y, t))(*doubled(*given)))
        assert torch.allclose(more["rep"], factor * parts["rep"], rtol=1e-5), name
        assert torch.allclose(more["ce"], parts["ce"], rtol=1e-5), name


def test_the_twin_of_the_published_weights_has_the_same_total_at_the_published_batch() -> None:
    student, teacher, labels = outputs(videos=REIMPL_BATCH)
    totals = [float(PRESETS[name](student, labels, teacher)[0].detach()) for name in ("reimpl", "reimpl-mean")]
    assert totals[0] == pytest.approx(totals[1], rel=1e-5)


def test_the_authors_total_has_the_representation_twice() -> None:
    student, teacher, labels = outputs()
    total, parts = PRESETS["authors"](student, labels, teacher)
    assert float(total.detach()) == pytest.approx(float((parts["ce"] + 2 * parts["rep"] + parts["pred"]).detach()), rel=1e-6)


@pytest.mark.parametrize("distance", ["kl_classes", "kl_bernoulli"])
def test_divergences_are_zero_only_where_both_agree(distance: str) -> None:
    divergence = {"kl_classes": kl_classes, "kl_bernoulli": kl_bernoulli}[distance]
    p, q = torch.rand(3, 8) * 0.8 + 0.1, torch.rand(3, 8) * 0.8 + 0.1
    assert torch.allclose(divergence(p, p), torch.zeros(3), atol=1e-5)
    assert (divergence(p, q) > 0).all()


@pytest.mark.parametrize("distance", ["kl_classes", "kl_bernoulli", "sqerr"])
def test_distances_and_their_gradients_are_finite_at_saturated_probabilities(distance: str) -> None:
    student = torch.tensor([[0.0, 1.0, 0.5]], requires_grad=True)
    value = Term("pred", "pred", distance=distance).value(student, torch.tensor([[1.0, 0.0, 0.0]]))
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(student.grad).all()


def test_no_gradient_reaches_the_teacher() -> None:
    student, teacher, labels = outputs()
    seen = Target(teacher.representation.requires_grad_(), teacher.probabilities.requires_grad_())
    PRESETS["paper"](student, labels, seen)[0].backward()
    assert seen.representation.grad is None and seen.probabilities.grad is None


def test_half_precision_targets_are_compared_in_the_students_precision() -> None:
    student, teacher, labels = outputs()
    half = Target(teacher.representation.half(), teacher.probabilities.half())
    _, parts = PRESETS["paper"](student, labels, half)
    _, exact = PRESETS["paper"](student, labels, teacher)
    assert parts["rep"].dtype == torch.float32
    assert float(parts["rep"].detach()) == pytest.approx(float(exact["rep"].detach()), rel=1e-2)


def test_the_stable_form_agrees_with_the_published_one_and_survives_saturation() -> None:
    student, _, labels = outputs()
    forms = [float(Objective(form=form).cross_entropy(student, labels).detach()) for form in ("probabilities", "logits")]
    assert forms[0] == pytest.approx(forms[1], rel=1e-5)
    logits = torch.full((1, 2), 200.0, requires_grad=True)
    extreme = Output(torch.zeros(1, 1), torch.sigmoid(logits), logits)
    published, stable = (Objective(form=form).cross_entropy(extreme, torch.zeros(1, 2)) for form in ("probabilities", "logits"))
    assert float(stable.detach()) == pytest.approx(400.0) and float(published.detach()) == pytest.approx(36.84, rel=1e-3)


def test_a_network_without_logits_falls_back_to_the_published_form() -> None:
    student, _, labels = outputs()
    blind = student._replace(logits=None)
    assert torch.equal(Objective(form="logits").cross_entropy(blind, labels), Objective().cross_entropy(student, labels))


def test_a_term_without_its_target_is_refused_by_name() -> None:
    student, teacher, labels = outputs()
    with pytest.raises(ConfigError, match="'rep' needs the teacher's rep"):
        PRESETS["paper"](student, labels, Target(None, teacher.probabilities))
    with pytest.raises(ConfigError, match="'rep' needs"):
        PRESETS["paper"](student, labels)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "repr"}, "rep"),
        ({"kind": "pred", "distance": "kl_clases"}, "kl_classes"),
        ({"kind": "pred", "reduction": "meen"}, "mean"),
        ({"kind": "rep", "distance": "kl_classes"}, "compares probabilities"),
    ],
)
def test_a_term_that_cannot_be_is_refused(changes: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Term("x", **changes)
