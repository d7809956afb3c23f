"""What keeps less for the way back gives the gradients of what keeps all."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from models.training.schedules import constant
from models.training.updates import Learner, Loss, Update
from systems.xkd import blocks, lean, optimise
from systems.xkd.model import VARIANTS, XKD
from tests.xkd.tiny import network, views


def gradients(value: Tensor, *of: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(value.square().sum(), of))


@pytest.mark.parametrize("bias", [True, False])
def test_a_lean_norm_with_its_linear_layer_has_the_gradients_of_both(bias: bool) -> None:
    norm, linear, x = (
        nn.LayerNorm(6).double(),
        nn.Linear(6, 5, bias=bias).double(),
        torch.randn(7, 6, dtype=torch.float64, requires_grad=True),
    )
    nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
    of = [x, *norm.parameters(), *linear.parameters()]
    plain, found = blocks.normed_linear(x, norm, linear), lean.normed_linear(x, norm, linear)
    torch.testing.assert_close([found, *gradients(found, *of)], [plain, *gradients(plain, *of)])


def test_a_lean_linear_layer_after_gelu_has_the_gradients_of_both() -> None:
    linear, x = nn.Linear(6, 5).double(), torch.randn(7, 6, dtype=torch.float64, requires_grad=True)
    of = [x, *linear.parameters()]
    plain, found = blocks.gelu_linear(x, linear), lean.gelu_linear(x, linear)
    torch.testing.assert_close([found, *gradients(found, *of)], [plain, *gradients(plain, *of)])


def test_lean_attention_has_the_values_and_gradients_of_attention_input_by_input() -> None:
    attention, shapes = blocks.Attention(6, 2), [(2, 3), (1, 5)]
    qkv = torch.randn(11, 18, dtype=torch.float64, requires_grad=True)
    parts = qkv.split([b * n for b, n in shapes])
    plain = torch.cat([attention.mixed(part, shape)[0] for part, shape in zip(parts, shapes)])
    found = lean.attended(qkv, shapes, 2)
    torch.testing.assert_close([found, *gradients(found, qkv)], [plain, *gradients(plain, qkv)])


def test_early_gradients_are_those_of_the_whole_loss_and_are_given_once() -> None:
    linear, x = nn.Linear(6, 5), torch.randn(7, 6, requires_grad=True)
    value = lean.early(lambda own: linear(own).square().mean(), x, list(linear.parameters()))
    (3 * value).backward()
    expected = torch.autograd.grad(3 * linear(x).square().mean(), [x, *linear.parameters()])
    torch.testing.assert_close([each.grad for each in (x, *linear.parameters())], list(expected))
    with pytest.raises(RuntimeError, match="only once"):
        value.backward()


def test_a_network_without_memory_can_be_counted() -> None:
    x = torch.zeros(2, 3, 4, 16, 16, device="meta")
    assert network().vid_student.backbone.to("meta")(x).shape == (2, 1 + 8, 12)


def trained(variant: str, *, prompt: bool) -> XKD:
    """Three steps."""
    net = network(variant)
    update = Update(
        "pretrain",
        lambda epoch: [views()],
        lambda batch: loss(net, batch),
        optimise.groups(net, constant(1e-2), constant(0.3)),
        optimise.prompt(net, longest=1e-2) if prompt else optimise.adamw,
        clip=None if prompt else optimise.clip_students(net, longest=1e-2),
        after=optimise.teachers_follow(net, constant(0.9), constant(0.8)),
    )
    learner = Learner(update)
    for _ in range(3):
        learner.learn(views(), 0, last=False)
    assert all(parameter.grad is None for parameter in net.parameters()) == prompt
    state = learner.optimizer.state_dict()
    assert state["param_groups"] == optimise.adamw([dict(group) for group in learner.optimizer.param_groups]).state_dict()["param_groups"]
    assert len(state["state"]) == sum(parameter.requires_grad for parameter in net.parameters())
    return net


def loss(net: XKD, batch: tuple[list[Tensor], list[Tensor], tuple[Tensor, Tensor]]) -> Loss:
    return net(*batch)["loss"], {}, 3


@pytest.mark.parametrize("variant", VARIANTS)
def test_parameters_that_move_within_the_backward_pass_end_where_the_others_do(variant: str) -> None:
    start, plain, found = network(variant), trained(variant, prompt=False), trained(variant, prompt=True)
    first, expected = start.state_dict(), plain.state_dict()
    for name, value in found.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=2e-6, msg=name)  # Adam divides by the root of tiny squares
    assert not torch.equal(expected["vid_student.head.mlp.0.weight"], first["vid_student.head.mlp.0.weight"])


def test_a_state_of_adamw_goes_on_in_the_prompt_one() -> None:
    one = network()
    ordinary = optimise.adamw([{"params": [p for p in one.parameters() if p.requires_grad]}])
    one(*views())["loss"].backward()
    ordinary.step()
    other = copy.deepcopy(one)
    other.zero_grad()
    prompt = optimise.Prompt([{"params": [p for p in other.parameters() if p.requires_grad]}])
    prompt.load_state_dict(copy.deepcopy(ordinary.state_dict()))
    ordinary.zero_grad()
    one(*views())["loss"].backward()
    ordinary.step()
    other(*views())["loss"].backward()
    torch.testing.assert_close(other.state_dict(), one.state_dict())
