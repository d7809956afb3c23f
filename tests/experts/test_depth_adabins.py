"""AdaBins: its state, its files, the sizes that it can see, and what is done around it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cache.errors import ConfigError, DataError
from models.experts import adabins as module
from models.experts.adabins import AdaBins, bin_edges, centres, read_adabins, renamed
from models.experts.adabins_decoder import Decoder
from models.experts.adabins_head import NORMS, BinsHead
from models.experts.adabins_inference import Predicted, kitti_crop, sixteen_bits
from models.experts.adabins_size import adabins_size, tokens
from models.experts.efficientnet_b5 import EfficientNetB5, pad_for_stride


def test_the_state_is_that_of_the_published_files() -> None:
    with torch.device("meta"):
        net = AdaBins()
    state = net.state_dict()
    assert len(state) == 973
    assert sum(value.numel() for value in net.parameters()) == 78_257_328
    encoder = {name.removeprefix("encoder.original_model.") for name in state if name.startswith("encoder.original_model.")}
    assert len(encoder) == 852 and {"blocks.6.2.se.conv_expand.bias", "conv_head.weight", "bn2.running_var"} <= encoder


@pytest.mark.parametrize("size", [(64, 96), (63, 95), (97, 65)])
def test_the_encoders_maps_have_sizes_rounded_up(size: tuple[int, int]) -> None:
    with torch.device("meta"):
        maps = EfficientNetB5().eval()(torch.zeros(1, 3, *size))
    want = [(channels, *(-(-side // stride) for side in size)) for channels, stride in zip((24, 40, 64, 176, 2048), (2, 4, 8, 16, 32))]
    assert [tuple(one.shape[1:]) for one in maps] == want


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("side", [7, 8, 9, 12])
def test_padding_for_a_stride_puts_the_odd_row_last(kernel: int, side: int) -> None:
    x = torch.arange(1.0, side + 1).expand(1, 1, side, side)
    padded = pad_for_stride(x, kernel, 2)[0, 0, kernel // 2 + 1]
    added = padded.numel() - side
    assert (padded.numel() - kernel) // 2 + 1 == -(-side // 2)
    assert padded[added // 2] == 1 and int((padded == 0).sum()) == added
    assert pad_for_stride(x, kernel, 1) is x


def test_the_frame_around_the_coarsest_map_holds_only_the_bias() -> None:
    torch.manual_seed(0)
    net = Decoder(64, 8, 32)
    y = net.conv2(torch.randn(1, 32, 3, 4))
    assert y.shape[2:] == (5, 6)
    assert torch.equal(y[0, :, 0], net.conv2.bias[:, None].expand(-1, 6))


@pytest.mark.parametrize("norm", NORMS)
def test_widths_of_bins_are_positive_shares(norm: str) -> None:
    head = BinsHead(8, 4, 4, 16, 8, 2, norm)
    widths = head.widths(torch.randn(3, 16))
    assert torch.all(widths > 0)
    torch.testing.assert_close(widths.sum(1), torch.ones(3))


def test_edges_span_the_range_and_centres_lie_between_them() -> None:
    edges = bin_edges(torch.tensor([[0.5, 0.25, 0.125, 0.125]]), 1.0, 9.0)
    assert edges.tolist() == [[1, 5, 7, 8, 9]]
    assert centres(edges).tolist() == [[3, 6, 7.5, 8.5]]


def test_old_names_and_module_are_renamed() -> None:
    names = (
        "module.encoder.original_model.bn1.weight",
        "adaptive_bins_layer.embedding_conv.bias",
        "module.adaptive_bins_layer.patch_transformer.embedding_encoder.weight",
        "encoder.module.original_model.bn1.bias",
    )
    assert list(renamed(dict.fromkeys(names, torch.zeros(1)))) == [
        "encoder.original_model.bn1.weight",
        "adaptive_bins_layer.conv3x3.bias",
        "adaptive_bins_layer.patch_transformer.embedding_convPxP.weight",
        "encoder.original_model.bn1.bias",
    ]


class Tiny(nn.Module):
    """Stands for AdaBins where its size would only cost time."""

    def __init__(self, bins: int, nearest: float, farthest: float) -> None:
        super().__init__()
        self.conv_out = nn.Sequential(nn.Conv2d(3, bins, 1))


def test_a_trainers_file_is_read_without_its_optimizer_and_with_its_number_of_bins(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "AdaBins", Tiny)
    state = {f"module.{name}": value for name, value in Tiny(80, 0, 1).state_dict().items()}
    optimizer = {"state": {0: {"step": 5, "exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 1e-4, "params": [0]}]}
    torch.save({"model": state, "optimizer": optimizer, "epoch": 24}, tmp_path / "mine.pt")
    net = read_adabins(tmp_path / "mine.pt", 1e-3, 10)
    assert torch.equal(net.conv_out[0].weight, state["module.conv_out.0.weight"]) and len(net.conv_out[0].bias) == 80


def test_the_file_of_another_network_is_refused(tmp_path: Path, monkeypatch: Any) -> None:
    torch.save({"fc.weight": torch.zeros(2, 2)}, tmp_path / "resnet.pth")
    with pytest.raises(DataError, match=r"holds no AdaBins network: it has no conv_out\.0\.weight"):
        read_adabins(tmp_path / "resnet.pth", 1e-3, 10)
    monkeypatch.setattr(module, "AdaBins", Tiny)
    torch.save({"conv_out.0.weight": torch.zeros(80, 3, 1, 1)}, tmp_path / "half.pt")
    with pytest.raises(DataError, match=r"1 missing.*conv_out\.0\.bias|half\.pt does not fit"):
        read_adabins(tmp_path / "half.pt", 1e-3, 10)


@pytest.mark.parametrize(
    ("frame", "size", "count"),
    [
        ((480, 640), (480, 640), 300),
        ((240, 320), (480, 640), 300),
        ((320, 240), (640, 480), 300),
        ((256, 256), (480, 480), 225),
        ((360, 640), (480, 864), 405),
        ((352, 1216), (384, 1312), 492),
    ],
)
def test_frames_are_seen_with_a_short_side_of_480_or_as_much_as_the_tokens_allow(
    frame: tuple[int, int], size: tuple[int, int], count: int
) -> None:
    assert adabins_size(*frame) == size
    assert tokens(*size) == count


@settings(deadline=None)
@given(st.integers(16, 2000), st.integers(16, 2000))
def test_every_working_size_can_be_seen_and_keeps_the_aspect(height: int, width: int) -> None:
    try:
        rows, columns = adabins_size(height, width)
    except ConfigError:
        assert max(height, width) > 3.4 * min(height, width)
        return
    assert rows % 32 == columns % 32 == 0 and 129 <= tokens(rows, columns) <= 500
    assert abs(rows / height - columns / width) <= 32 * max(1 / height, 1 / width)


def test_a_working_size_that_gives_too_few_tokens_is_refused_with_one_that_fits() -> None:
    with pytest.raises(ConfigError, match=r"256 x 256, as 64 patches; 129 to 500 are possible") as raised:
        adabins_size(256, 256, working=256)
    assert "working=0 takes 480" in str(raised.value.hint)
    assert adabins_size(256, 256, working=384) == (384, 384)


class Ramp(nn.Module):
    """Depth is the mean colour of each 2 x 2 pixels, plus the column."""

    nearest, farthest = 1.0, 10.0

    def depth(self, x: torch.Tensor) -> torch.Tensor:
        half = nn.functional.avg_pool2d(x.mean(1, keepdim=True), 2)
        return half + torch.arange(half.shape[3])


def test_a_mirrored_prediction_is_the_mean_of_both_and_symmetric() -> None:
    x = torch.rand(2, 3, 8, 12)
    ours = Predicted(Ramp(), 8, 12, mirror=True)
    torch.testing.assert_close(ours.feature(x.flip(3)), ours.feature(x).flip(2))
    both = [Predicted(Ramp(), 8, 12).feature(x), Predicted(Ramp(), 8, 12).feature(x.flip(3)).flip(2)]
    assert not torch.allclose(*both)
    inside = torch.full((1, 3, 8, 12), 2.0)  # where nothing is cut off, the mean commutes with resizing
    both = [Predicted(Ramp(), 8, 12).feature(inside), Predicted(Ramp(), 8, 12).feature(inside).flip(2)]
    torch.testing.assert_close(ours.feature(inside), (both[0] + both[1]) / 2)


def test_depth_is_cut_to_the_range_and_what_is_no_number_stays_none() -> None:
    x = torch.full((1, 3, 4, 4), 20.0)
    x[0, :, :2, :2] = torch.nan
    depth = Predicted(Ramp(), 4, 4).feature(x)
    assert depth[0, 3, 3] == 10 and torch.isnan(depth[0, 0, 0])
    assert float(Predicted(Ramp(), 4, 4).feature(torch.full((1, 3, 4, 4), -20.0)).max()) == 1


def test_sixteen_bit_values_are_cut_off_and_not_rounded() -> None:
    assert sixteen_bits(np.array([[0.0019, 9.9999]], np.float32), 1000).tolist() == [[1, 9999]]
    assert sixteen_bits(np.array([[79.999]], np.float32), 256).dtype == np.uint16


def test_kittis_pictures_are_cut_to_the_bottom_middle() -> None:
    picture = np.zeros((375, 1242, 3), np.uint8)
    picture[375 - 352 :, 13 : 13 + 1216] = 7
    cut = kitti_crop(picture)
    assert cut.shape == (352, 1216, 3) and np.all(cut == 7)
