"""A ResNet in its lean form: the numbers of the module itself, in less memory, wherever it can, and nowhere else."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from models.backbones.mobilenetv3 import mobilenet_v3_small
from models.backbones.resnet2d import ResNet2D, resnet50
from models.training.buffers import Buffers
from models.training.lean_resnet import LeanResNet, lean

compiled = pytest.mark.usefixtures("compiled_passes")


def trunk(*layers: int) -> ResNet2D:
    torch.manual_seed(0)
    net = ResNet2D(BasicBlock, layers or (2, 1, 1, 1), 0).train()
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.weight, 0.7, 0.5)  # some gains are negative
            nn.init.normal_(part.bias, 0.0, 0.3)
    return net


def pair() -> tuple[ResNet2D, ResNet2D, LeanResNet]:
    plain = trunk()
    mine = copy.deepcopy(plain)
    found = lean(mine)
    assert found is not None
    return plain, mine, found


def images(count: int = 4, *size: int) -> Tensor:
    return torch.rand(count, 3, *(size or (64, 64)), generator=torch.Generator().manual_seed(1))


def near(found: Tensor | None, wanted: Tensor | None, allowed: float = 2e-4) -> None:
    """Equal but for rounding, through all layers: relative to the norm."""
    assert found is not None and wanted is not None
    apart, size = ((each.detach().double()).norm() for each in (found - wanted, wanted))
    assert float(apart) <= allowed * float(size)


def agree(mine: nn.Module, plain: nn.Module, allowed: float = 2e-4) -> None:
    """Gradients and running statistics."""
    for (name, one), (_, other) in zip(mine.named_parameters(), plain.named_parameters()):
        assert (one.grad is None) == (other.grad is None), name
        if one.grad is not None:
            near(one.grad, other.grad, allowed)
    for one, other in zip(mine.buffers(), plain.buffers()):
        near(one, other, 1e-5)


@compiled
@pytest.mark.parametrize("size", [(64, 64), (75, 50)])
def test_two_sets_one_after_the_other_give_the_numbers_of_the_module(size: tuple[int, int]) -> None:
    plain, mine, found = pair()
    sets = [images(4, *size), images(3, *size) ** 2]
    wanted, got = [plain.forward_features(x) for x in sets], [found(x) for x in sets]
    for one, other in zip(got, wanted):
        near(one, other, 1e-5)
    for maps in (wanted, got):
        sum((each**2).sum() for each in maps).backward()
    agree(mine, plain)


@compiled
def test_gradients_of_episodes_add_up_and_a_step_in_between_is_seen() -> None:
    plain, mine, found = pair()
    for number in range(3):
        for forward, net in ((plain.forward_features, plain), (found, mine)):
            (forward(images() + number) ** 2).sum().backward()
            if number == 1:
                for weight in net.parameters():  # as optimisers that don't tell autograd
                    weight.data -= 1e-6 * weight.grad
                net.zero_grad()
    # two steps apart: a processor without AVX-512 was seen at 1.4e-3; a step that is not seen changes every gradient by 4e-2 or more
    agree(mine, plain, 1e-2)


@compiled
def test_pixels_may_be_bytes() -> None:
    _, mine, found = pair()
    pixels = (images() * 255).byte()
    whole, bytes_ = found(pixels.float() / 255), found(pixels)
    assert torch.equal(whole, bytes_)
    first = torch.autograd.grad(whole.sum(), mine.conv1.weight)[0]
    assert torch.equal(first, torch.autograd.grad(bytes_.sum(), mine.conv1.weight)[0])


@compiled
def test_it_keeps_less_than_half_of_what_the_module_keeps() -> None:
    plain, _, found = pair()
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        plain.forward_features(images(16))
    weights = {weight.untyped_storage().data_ptr() for weight in plain.parameters()}
    theirs = sum(size for place, size in kept.items() if place not in weights)
    found(images(16)).sum().backward()
    again = found(images(16))
    held = found.buffers.made - found.buffers.free
    assert again.requires_grad and 0 < held < 0.45 * theirs


@compiled
def test_the_memory_of_a_step_is_that_of_the_step_before() -> None:
    _, _, found = pair()
    made = []
    for _ in range(3):
        (found(images()) ** 2).sum().backward()
        made.append(found.buffers.made)
    assert made[0] == made[1] == made[2] > 0


@compiled
def test_the_way_back_can_be_taken_once() -> None:
    _, _, found = pair()
    total = found(images()).sum()
    total.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="once"):
        total.backward()


@compiled
def test_a_copy_of_a_network_trains_its_own_weights() -> None:
    plain, mine, found = pair()
    mine.lean = found
    other = copy.deepcopy(mine)
    other.lean(images()).sum().backward()
    plain.forward_features(images()).sum().backward()
    agree(other, plain)
    assert mine.conv1.weight.grad is None


@compiled
def test_only_trainings_in_float32_on_a_cpu_suit() -> None:
    _, mine, found = pair()
    assert found.suits(images())
    assert not found.suits(images().double()) and not found.suits(images().requires_grad_())
    with torch.no_grad():
        assert not found.suits(images())
    with torch.autocast("cpu", torch.bfloat16):
        assert not found.suits(images())
    mine.bn1.eval()
    assert not found.suits(images())
    mine.train().double()
    assert not found.suits(images())


def _biased(net: ResNet2D) -> ResNet2D:
    net.conv1 = nn.Conv2d(3, 64, 7, 2, 3)
    return net


def _wide(net: ResNet2D) -> ResNet2D:
    net.layer1[0].conv1 = nn.Conv2d(64, 64, 5, padding=2, bias=False)
    return net


def _still(net: ResNet2D) -> ResNet2D:
    net.layer2[0].bn2 = nn.GroupNorm(8, 128)
    return net


@pytest.mark.parametrize(
    "other", [lambda: resnet50(0), lambda: mobilenet_v3_small(0), lambda: nn.Sequential(nn.Linear(2, 2))]
    + [lambda change=change: change(trunk()) for change in (_biased, _wide, _still)],
)  # fmt: skip
def test_other_networks_have_no_lean_form(other) -> None:
    assert lean(other()) is None


def test_memory_is_used_again_if_it_is_large_enough_and_not_much_too_large() -> None:
    buffers = Buffers()
    first = buffers.take((2, 3, 4, 5))
    assert first.is_contiguous(memory_format=torch.channels_last)
    place = first.data_ptr()
    buffers.give(first, None)
    assert buffers.take((2, 3, 4, 3)).data_ptr() != place and buffers.take((2, 3, 4, 6)).data_ptr() != place
    again = buffers.take((2, 3, 4, 4))
    assert again.data_ptr() == place and again.shape == (2, 3, 4, 4)
    assert buffers.take((2, 3, 4, 4)).data_ptr() != place
