"""What is multiplied out once gives the numbers of the network as it is written."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, fx, nn

from models.backbones.fold import fold_batch_norm
from models.experts.adabins import AdaBins
from models.experts.adabins_decoder import SLOPE, UpSample
from models.experts.adabins_inference import Predicted
from models.experts.adabins_quick import QuickAdaBins, first_step, map_sizes, read_bins, step
from models.experts.efficientnet_b5 import EfficientNetB5
from models.experts.resized_conv import BLOCK, banded, resizing
from models.inference.runtimes.eager import prepare, quicken
from models.inference.runtimes.packed import pack


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 90))
def test_the_matrix_of_resizing_is_what_pytorch_does(small: int, large: int) -> None:
    x = torch.randn(1, 1, small, 1, generator=torch.Generator().manual_seed(small))
    want = F.interpolate(x, size=(large, 1), mode="bilinear", align_corners=True)[0, 0]
    torch.testing.assert_close(torch.from_numpy(resizing(small, large)) @ x[0, 0], want, rtol=1e-5, atol=1e-5)


@settings(deadline=None)
@given(st.integers(1, 50), st.integers(1, 130))
def test_blocks_of_the_band_hold_the_whole_matrix_of_taps(small: int, large: int) -> None:
    matrix = resizing(small, large)
    blocks, starts = banded(matrix)
    padded = np.pad(matrix, ((1, 1), (0, 0)))
    found = np.zeros((large, small, 3), np.float32)
    for number, start in enumerate(starts):
        part = blocks[number].numpy().reshape(BLOCK, -1, 3)[: large - number * BLOCK]
        assert start >= 0 and start + part.shape[1] <= small
        found[number * BLOCK : (number + 1) * BLOCK, start : start + part.shape[1]] = part
    assert np.array_equal(found, np.stack([padded[tap : tap + large] for tap in range(3)], axis=2))


def randomised(net: nn.Module) -> nn.Module:
    """Statistics of normalisation that are not those of a new one."""
    for name, value in net.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 2)
        elif name.endswith("running_mean"):
            value.normal_()
    return net.eval()


@settings(deadline=None, max_examples=20)
@given(st.tuples(st.integers(2, 9), st.integers(2, 40)), st.tuples(st.integers(2, 70), st.integers(2, 9)), st.integers(1, 2))
def test_a_step_of_the_decoder_gives_the_same_map_at_any_sizes(small: tuple[int, int], large: tuple[int, int], images: int) -> None:
    torch.manual_seed(0)
    up = randomised(UpSample(12, 5, 6))
    x, skip = torch.randn(images, 12, *small), torch.randn(images, 5, *large)
    folded = fold_batch_norm(up)
    assert isinstance(folded, UpSample)
    with torch.inference_mode():
        torch.testing.assert_close(step(folded, (small, large))(x, skip), up(x, skip), rtol=1e-4, atol=1e-5)


class Beginning(nn.Module):
    """What stands before the first step: ``conv_head`` of the encoder and ``conv2`` of the decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_head, self.conv2 = nn.Conv2d(7, 9, 1, bias=False), nn.Conv2d(9, 12, 1, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv_head(x))


def test_three_linear_convolutions_are_one_and_the_frame_is_kept() -> None:
    torch.manual_seed(0)
    before, up = Beginning(), randomised(UpSample(12, 5, 6))
    folded = fold_batch_norm(up)
    assert isinstance(folded, UpSample)
    x, skip = torch.randn(2, 7, 3, 4), torch.randn(2, 5, 6, 8)
    with torch.inference_mode():
        quick = first_step(before, before.conv2, folded, ((3, 4), (6, 8)))  # type: ignore[arg-type]
        torch.testing.assert_close(quick(x, skip), up(before(x), skip), rtol=1e-4, atol=1e-5)


def test_a_step_takes_activations_of_its_own_slope() -> None:
    up = randomised(UpSample(4, 3, 2))
    assert [part.negative_slope for part in up._net if isinstance(part, nn.LeakyReLU)] == [SLOPE, SLOPE]


@pytest.mark.parametrize("size", [(64, 80), (65, 97), (70, 63)])
def test_sizes_of_maps_are_those_that_the_encoder_gives(size: tuple[int, int]) -> None:
    with torch.device("meta"):
        maps = EfficientNetB5().eval()(torch.zeros(1, 3, *size))
    assert map_sizes(*size) == [tuple(one.shape[2:]) for one in maps]


def test_bins_are_read_in_parts_as_they_are_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    features, kernels, bias, middles = torch.randn(2, 6, 5, 7), torch.randn(2, 4, 6), torch.randn(4), torch.rand(2, 4)
    want = torch.einsum("bkhw,bk->bhw", torch.softmax(torch.einsum("bkc,bchw->bkhw", kernels, features) + bias[:, None, None], 1), middles)
    monkeypatch.setattr("models.experts.adabins_quick.PIXELS", 11)
    torch.testing.assert_close(read_bins(features, kernels, bias, middles)[:, 0], want)


@pytest.mark.long
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_whole_network_packed_gives_the_same_depth(precision: str) -> None:
    torch.manual_seed(0)
    net = randomised(AdaBins())
    assert isinstance(net, AdaBins)
    x = torch.randn(1, 3, 352, 384)
    with torch.inference_mode():
        want = Predicted(net, 176, 192).feature(x)
        quick = prepare(Predicted(QuickAdaBins(net, 352, 384).eval(), 176, 192), x, precision, 1)
        off = float((quick(x) - want).abs().max() / want.abs().max())
    assert off < (1e-5 if precision == "float32" else 5e-2)


@pytest.mark.long
def test_the_activations_of_the_encoder_and_the_decoder_are_drawn_into_their_convolutions() -> None:
    net = quicken(Predicted(QuickAdaBins(AdaBins().eval(), 352, 384).eval(), 176, 192))
    features = pack(net, torch.randn(1, 3, 352, 384))
    assert isinstance(features, fx.GraphModule)
    called = [node.target for node in features.graph.nodes if node.op == "call_function"]
    assert F.silu not in called and F.leaky_relu not in called
