"""The shorter way through I3D with frozen normalisation gives the maps and the gradients of the plain one."""

import pytest
import torch
from torch import Tensor, nn

from models.backbones.i3d import I3D, TOP_SPATIAL, max_pool
from models.backbones.i3d_channels_last import max_pool as pooled
from models.backbones.i3d_fixed_norm import fixed_norm_maps

NAMES = ("Mixed_3c", "Mixed_4f", "Mixed_5c")


def network(*, spatial: bool) -> I3D:
    torch.manual_seed(0)
    net = I3D(0, 2, spatial=TOP_SPATIAL if spatial else (), width=1 / 8)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm3d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                assert tensor is not None
                tensor.add_(0.2 * torch.rand_like(tensor))
    return net.eval()


@pytest.mark.parametrize("spatial", [True, False])
@pytest.mark.parametrize("size", [(16, 32, 32), (13, 45, 37)])
def test_maps_and_gradients_are_those_of_the_plain_network(spatial: bool, size: tuple[int, int, int]) -> None:
    # in float64: the order of sums alone makes entries next to 0, or next to the largest of a window, change sides in float32
    net, clip = network(spatial=spatial).double(), torch.randn(2, 2, *size, dtype=torch.float64, requires_grad=True)

    def of(maps: dict[str, Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        chosen = [maps[name] for name in NAMES]
        loss = torch.stack([value.square().mean() for value in chosen]).sum()
        return chosen, list(torch.autograd.grad(loss, [clip, *net.parameters()]))

    plain, quick = of(net.stages(clip)), of(fixed_norm_maps(net, clip, NAMES))
    for one, other in zip(plain[0] + plain[1], quick[0] + quick[1], strict=True):
        scale = float(one.detach().abs().max()) or 1.0
        torch.testing.assert_close(one / scale, other / scale, rtol=0, atol=1e-10)


def test_it_keeps_less_for_the_backward_pass() -> None:
    net, clip = network(spatial=False), torch.randn(1, 2, 32, 64, 64)

    def kept(way: str) -> int:
        storages: dict[int, int] = {}

        def pack(value: Tensor) -> Tensor:
            storages[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
            return value

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
            maps = net.stages(clip) if way == "plain" else fixed_norm_maps(net, clip, NAMES)
        assert maps
        return sum(storages.values())

    plain, frozen = kept("plain"), kept("frozen")
    assert frozen < 0.65 * plain, f"{frozen} bytes instead of {plain}"


@pytest.mark.parametrize("size", [(8, 8, 8), (7, 9, 6), (5, 5, 5)])
@pytest.mark.parametrize(
    ("kernel", "stride"), [((3, 3, 3), (1, 1, 1)), ((3, 3, 3), (2, 2, 2)), ((2, 2, 2), (2, 2, 2)), ((1, 3, 3), (1, 2, 2))]
)
def test_pooling_without_the_zeros_is_pooling_with_them(
    size: tuple[int, int, int], kernel: tuple[int, int, int], stride: tuple[int, int, int]
) -> None:
    x = torch.randn(1, 2, *size).relu()
    assert torch.equal(pooled(x, kernel, stride), max_pool(x, kernel, stride))


def test_normalisation_in_training_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="training mode"):
        fixed_norm_maps(network(spatial=True).train(), torch.randn(1, 2, 8, 32, 32), NAMES)
