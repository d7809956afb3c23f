"""Objectives: what pulls on which output."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cache.errors import ConfigError
from systems.litemkd.losses import kd, relation, share
from systems.litemkd.losses import total as total_of
from systems.litemkd.objectives import OBJECTIVES, Objective, Term

LABELS = torch.tensor([0, 2, 1, 1])


def logits(seed: int, *shape: int) -> Tensor:
    return torch.randn(*(shape or (4, 3)), generator=torch.Generator().manual_seed(seed))


def outputs() -> dict[str, Tensor]:
    names = ("logits", "kl", "ce", "pat", "fr", "fr1", "fr2", "fc_1", "fc_2", "query")
    found = {name: logits(number) for number, name in enumerate(names)}
    found |= {name: logits(20, 3, 2) for name in ("sup", "sup_kl", "sup_ce")}
    found |= {"support_set": logits(21, 4, 3, 3), "feature": logits(22, 5, 8, 4)}
    return {name: value.requires_grad_() for name, value in found.items()}


def targets() -> dict[str, Tensor]:
    return {name: value.detach() + 1.0 + logits(30, *value.shape) for name, value in outputs().items()}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_pulls_on_each_of_its_outputs_and_never_on_the_teacher(name: str) -> None:
    given, teacher = outputs(), {name: value.requires_grad_() for name, value in targets().items()}
    total, parts = total_of(OBJECTIVES[name], given, LABELS, teacher)
    total.backward()
    used = {term.on for term in OBJECTIVES[name].terms}
    assert {output for output, value in given.items() if value.grad is not None and value.grad.abs().sum() > 0} == used
    assert all(value.grad is None for value in teacher.values())
    assert set(parts) - {"f"} == {f"{term.loss}.{term.on}" for term in OBJECTIVES[name].terms}


def test_the_published_objective_is_its_three_terms() -> None:
    total, parts = total_of(OBJECTIVES["fc_2_sup_dist"], outputs(), LABELS, targets())
    assert torch.allclose(total, parts["kd.kl"] + 0.5 * parts["r.sup"] + parts["h.ce"])


def test_a_student_that_agrees_with_its_teacher_has_nothing_to_learn_from_it() -> None:
    given = logits(0)
    assert float(kd(given, given.clone())) == pytest.approx(0, abs=1e-6)
    assert float(relation(given, given.clone())) == pytest.approx(0, abs=1e-5)


def test_correlation_ignores_the_offset_of_a_row_and_distillation_too() -> None:
    near, far = logits(0), logits(1)
    shifted = far + torch.arange(4.0)[:, None]
    assert torch.allclose(relation(near, far), relation(near, shifted), atol=1e-6)
    assert torch.allclose(kd(near, far), kd(near, shifted), atol=1e-5)


def test_the_share_grows_with_what_is_compared_and_carries_no_gradient() -> None:
    low, high = torch.tensor(0.5, requires_grad=True), torch.tensor(2.0)
    assert 0 <= float(share(low, high)) < float(share(high, low)) < 1
    assert not share(low, high).requires_grad


def test_a_missing_teacher_is_said() -> None:
    with pytest.raises(ConfigError, match="needs the teacher's 'kl'"):
        total_of(OBJECTIVES["fc_2_sup_dist"], outputs(), LABELS)
    total, _ = total_of(OBJECTIVES["ce"], outputs(), LABELS)
    assert torch.allclose(total, torch.nn.functional.cross_entropy(logits(0), LABELS) / 16)


def test_a_share_weighs_its_terms() -> None:
    only = Objective((Term("h", "kl", base=2.0, slope=-1.0),), ("ce", "kl"))
    total, parts = total_of(only, outputs(), LABELS)
    assert torch.allclose(total, (2 - parts["f"]) * parts["h.kl"])
