"""The two passes of an epoch on a small network: who learns, who does not, and what moves beside the parameters."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.training.schedules import Moment
from models.training.updates import Learner
from systems.gkd.recognition.frozen_teacher import FrozenTeacher
from systems.gkd.recognition.network import Recogniser
from systems.gkd.recognition.published import cvae_branch
from systems.gkd.recognition.two_steps import Settings, Teacher, TwoSteps, updates
from systems.gkd.switches import switches

WIDTH, FRAMES, SIZE, CLASSES = 1 / 16, 16, 32, 5


def network(kind: str = "student", seed: int = 0) -> Recogniser:
    torch.manual_seed(seed)
    return Recogniser(kind, CLASSES, frames=FRAMES, size=SIZE, width=WIDTH, dropout=0.0)


def clips(count: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 3, FRAMES, SIZE, SIZE, generator=generator), torch.arange(count) % CLASSES


def steps(*, distil: bool = True, **options: Any) -> TwoSteps:
    net = network().train()
    teacher = network("teacher", 7).eval()
    cvae = cvae_branch(net)
    distilled = Teacher(cvae_branch(teacher).eval(), lambda x: teacher.attention(teacher.features(x))) if distil else None
    return TwoSteps(net, cvae, distilled, **options)


def kept(net: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


def changed(net: nn.Module, before: dict[str, Tensor]) -> set[str]:
    return {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}


def test_the_first_pass_moves_the_cvae_and_running_statistics_alone() -> None:
    both = steps()
    before, cvae = kept(both.network), kept(both.cvae)
    learner = Learner(updates(both, Settings(), lambda _: [0], lambda *_: clips())[0])
    learner.learn((0, 0), 0, last=True)
    assert changed(both.cvae, cvae) == set(cvae)
    moved = changed(both.network, before)
    assert moved and all(name.rpartition(".")[2] in ("running_mean", "running_var", "num_batches_tracked") for name in moved)
    assert all(parameter.grad is None for parameter in both.network.parameters())
    assert all(parameter.grad is None for parameter in both.teacher.cvae.parameters())


def test_the_second_pass_moves_the_network_and_reaches_it_through_the_frozen_cvae() -> None:
    both = steps()
    before, cvae = kept(both.network), kept(both.cvae)
    learner = Learner(updates(both, Settings(), lambda _: [0], lambda *_: clips())[1])
    learner.learn((0, 0), 0, last=True)
    assert changed(both.cvae, cvae) == set()
    assert all(parameter.grad is None for parameter in both.cvae.parameters())
    assert {name for name, _ in both.network.named_parameters()} <= changed(both.network, before)
    assert all(parameter.requires_grad for parameter in both.cvae.parameters())


def test_the_rate_of_the_network_is_kept_as_published_or_falls_to_nothing() -> None:
    def rates(settings: Settings) -> list[float]:
        _, (group,) = (update.groups for update in updates(steps(), settings, lambda _: [0], lambda *_: clips()))
        return [group.rate(Moment(0, step, step)) for step in (0, 5, 10)]

    assert rates(Settings(lr=0.1)) == [0.1, 0.1, 0.1]
    assert rates(Settings(lr=0.1, steps=10)) == pytest.approx([0.1, 0.05, 0.0])


def test_the_reconstruction_pulls_on_attention_and_features() -> None:
    both = steps(distil=False, noise=lambda shape: torch.zeros(tuple(shape)))
    _, terms, _ = both.recognise(*clips(), epoch=1)
    parts = (both.network.Att_Head_5c[3].weight, both.network.backbone.net.Mixed_5c.b0.conv3d.weight)
    assert all(gradient.abs().sum() > 0 for gradient in torch.autograd.grad(terms["reconstruction"], parts))


def test_kept_statistics_do_not_move_and_change_no_loss() -> None:
    one = steps(switches={**switches("fixed"), "statistics": "kept"}, noise=lambda shape: torch.ones(tuple(shape)))
    other = copy.copy(one)
    other.switches = switches("fixed")
    before = kept(one.network)
    loss, *_ = one.make(*clips())
    assert changed(one.network, before) == set()
    torch.testing.assert_close(other.make(*clips())[0], loss)
    assert changed(one.network, before)


def test_without_a_teacher_the_terms_are_the_teachers_own() -> None:
    both = steps(distil=False)
    assert set(both.make(*clips())[1]) == {"cvae"}
    assert set(both.recognise(*clips(), epoch=1)[1]) == {"task", "reconstruction", "accuracy"}


def test_a_network_alone_has_one_pass_with_the_plain_task() -> None:
    both = TwoSteps(network().train(), None)
    assert [update.name for update in updates(both, Settings(), lambda _: [], lambda *_: clips())] == ["network"]
    loss, terms, _ = both.recognise(*clips(), epoch=3)
    assert terms.pop("accuracy") in (0, 0.5, 1) and terms == {"task": loss}


def test_one_distillation_without_the_other() -> None:
    both = steps()
    both.teacher = Teacher(None, both.teacher.attention)
    assert set(both.make(*clips())[1]) == {"cvae"}
    assert "attention" in both.recognise(*clips(), epoch=1)[1]


def test_noise_is_asked_of_the_own_cvae_first() -> None:
    asked: list[tuple[int, ...]] = []

    def noise(shape: Any) -> Tensor:
        asked.append(tuple(shape))
        return torch.full(tuple(shape), float(len(asked)))

    both = steps(noise=noise)
    _, terms, _ = both.make(*clips())
    assert asked == [(2, 2, 64)] * 2
    features, attention = both._frozen_network(clips()[0])
    made = both.cvae(features, attention, torch.ones(2, 2, 64)).features
    aim = both.teacher.cvae(features, attention, torch.full((2, 2, 64), 2.0)).features
    torch.testing.assert_close(terms["generative"], ((made - aim) ** 2).mean())


def test_accumulated_batches_make_one_step_and_leftovers_none() -> None:
    both = steps(distil=False)
    both.network.eval()  # statistics aside
    learner = Learner(updates(both, Settings(accumulate=2), lambda _: [0, 1, 2], lambda *_: clips())[1])
    before = kept(both.network)
    learner.learn((0, 0), 0, last=False)
    assert changed(both.network, before) == set() and learner.step == 0
    learner.learn((0, 1), 0, last=False)
    assert learner.step == 1
    after = kept(both.network)
    learner.learn((0, 2), 0, last=True)
    assert changed(both.network, after) == set() and learner.step == 1


@pytest.mark.parametrize(("epoch", "weight"), [(1, 0.025), (7, 0.175), (20, 0.5), (21, 0.5)])
def test_the_reconstruction_counts_more_from_epoch_to_epoch(epoch: int, weight: float) -> None:
    both = steps(beta=2.0)
    loss, terms, _ = both.recognise(*clips(), epoch=epoch)
    torch.testing.assert_close(loss, terms["task"] + weight * terms["reconstruction"] + 2 * terms["attention"])


def test_a_frozen_teacher_attends_as_the_network_in_evaluation_mode_does() -> None:
    teacher = network("teacher", 7).train()
    teacher.features(clips()[0])  # statistics that are not 0 and 1
    teacher.eval()
    attention = FrozenTeacher(teacher)(clips()[0])
    assert not attention.requires_grad
    torch.testing.assert_close(attention, teacher.attention(teacher.features(clips()[0])).detach(), rtol=1e-4, atol=1e-5)
