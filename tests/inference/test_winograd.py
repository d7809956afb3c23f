"""Winograd's 3x3 convolutions: the same numbers as the definition, from each image alone, only where they pay, never a must."""

from __future__ import annotations

import copy
import ctypes
import functools
import subprocess
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cache.errors import ConfigError
from cache.fingerprint import Fingerprint
from models.backbones.registry import build
from models.inference import instructions
from models.inference.runtimes import native, prepare, processor, winograd
from models.inference.runtimes.activations import NONE, RELU, After
from models.inference.runtimes.eager import quicken
from models.inference.runtimes.packed import LAYOUTS, pack
from models.inference.runtimes.winograd import UnstridedConvolution, WinogradConvolution, special, suits
from stages.extract import ExtractParams

compiled = pytest.mark.usefixtures("compiled_winograd")


def random(*shape: int, seed: int = 0) -> Tensor:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return x.contiguous(memory_format=LAYOUTS[len(shape)])


def convolution(inputs: int = 64, outputs: int = 64, size: int = 3, **how) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(inputs, outputs, size, **{"padding": 1, **how}).requires_grad_(False)


def solid(inputs: int = 64, outputs: int = 64, taps: int = 3, **how) -> nn.Conv3d:
    torch.manual_seed(0)
    how = {"padding": (taps // 2, 1, 1), **how}
    return nn.Conv3d(inputs, outputs, (taps, 3, 3), **how).requires_grad_(False)


#: convolution, size of the input: whole tiles, cut tiles, more and fewer tiles than are taken at a time, one vector of channels, panels
#: that are not full, maps smaller than a tile, without padding; with filters that look at three frames, or at one of many
SHAPES = [
    (lambda **how: convolution(64, 64, **how), (1, 64, 16, 16)),
    (lambda **how: convolution(64, 96, **how), (3, 64, 7, 7)),
    (lambda **how: convolution(96, 16, **how), (2, 96, 13, 22)),
    (lambda **how: convolution(16, 144, **how), (1, 16, 6, 40)),
    (lambda **how: convolution(16, 64, **how), (16, 16, 1, 3)),
    (lambda **how: convolution(32, 48, padding=0, **how), (2, 32, 9, 14)),
    (lambda **how: solid(16, 32, **how), (2, 16, 5, 12, 12)),
    (lambda **how: solid(32, 208, **how), (3, 32, 2, 7, 9)),
    (lambda **how: solid(48, 16, **how), (2, 48, 1, 8, 8)),
    (lambda **how: solid(32, 32, padding=0, **how), (1, 32, 6, 10, 14)),
    (lambda **how: solid(32, 32, padding=(1, 0, 0), **how), (1, 32, 3, 10, 14)),
    (lambda **how: solid(32, 64, taps=1, **how), (2, 32, 3, 8, 14)),
]


@compiled
@pytest.mark.parametrize("case", range(len(SHAPES)))
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("after", [NONE, RELU], ids=["none", "relu"])
@pytest.mark.parametrize("sum_", [True, False])
def test_it_is_the_convolution_by_its_definition(case: int, bias: bool, after: After, sum_: bool) -> None:
    make, size = SHAPES[case]
    conv, x = make(bias=bias), random(*size)
    want = copy.deepcopy(conv).double()(x.double())
    other = random(*want.shape, seed=1) if sum_ else None
    want = want + (0 if other is None else other)
    want = F.relu(want) if after == RELU else want
    got = WinogradConvolution(conv)(x, other, after)
    # measured: 2.1e-6 at most over these shapes, 1.1e-6 with the usual convolution
    assert float((got - want).abs().max()) < 1e-5 * float(want.abs().max())
    assert other is None or got.data_ptr() == other.data_ptr()
    assert got.shape == want.shape and got.is_contiguous(memory_format=LAYOUTS[got.dim()])


@compiled
def test_an_image_has_the_same_bits_in_every_company() -> None:
    layer, x = WinogradConvolution(convolution()), random(9, 64, 14, 14)
    together = layer(x)
    for n in range(9):
        assert torch.equal(layer(x[n : n + 1])[0], together[n])
    layer, x = WinogradConvolution(solid()), random(5, 64, 3, 7, 7)
    together = layer(x)
    for n in range(5):
        assert torch.equal(layer(x[n : n + 1])[0], together[n])


@compiled
def test_maps_in_another_layout_are_taken_as_they_are_meant() -> None:
    layer, x = WinogradConvolution(convolution()), random(2, 64, 12, 12)
    assert torch.equal(layer(x.contiguous()), layer(x))
    assert torch.equal(layer(x.transpose(2, 3)), layer(x.transpose(2, 3).contiguous(memory_format=torch.channels_last)))


@compiled
@pytest.mark.parametrize("size", [(2, 16, 16, 20), (1, 32, 30, 14)])
@pytest.mark.parametrize("bias", [False, True])
def test_a_convolution_of_5x5_and_stride_2_is_one_of_3x3_on_cells(size: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(0)
    conv, x = nn.Conv2d(size[1], 32, 5, 2, 2, bias=bias).requires_grad_(False), torch.randn(size)
    layer = special(conv, size)
    assert isinstance(layer, UnstridedConvolution)
    want = F.relu(conv(x))
    assert float((layer(x, after=RELU) - want).abs().max()) < 1e-5 * float(want.max())
    assert special(conv, (*size[:2], size[2] - 1, size[3])) is None and special(nn.Conv2d(size[1], 32, 5, 2, 1), size) is None


def test_an_activation_that_it_does_not_fuse_follows_it() -> None:
    conv, x = nn.Conv2d(16, 16, 3, padding=1), torch.randn(1, 16, 9, 9, generator=torch.Generator().manual_seed(0))
    layer = WinogradConvolution(conv.requires_grad_(False))
    assert torch.equal(layer(x, after=After("leaky_relu", (0.1,))), F.leaky_relu(layer(x), 0.1))


def test_a_number_that_is_none_stays_in_its_image_and_does_not_become_zero() -> None:
    layer, x = WinogradConvolution(convolution()), random(3, 64, 12, 12)
    whole = layer(x, after=RELU)
    x[1, 5, 4, 4] = float("nan")
    got = layer(x, after=RELU)
    assert torch.isnan(got[1]).any()
    assert torch.equal(got[0], whole[0]) and torch.equal(got[2], whole[2])


@compiled
@pytest.mark.parametrize(
    ("conv", "size", "yes"),
    [
        (convolution(), (4, 64, 56, 56), True),
        (convolution(), (4, 64, 7, 7), True),
        (convolution(), (1, 64, 4, 4), False),  # 1 tile
        (convolution(), (16, 64, 5, 5), False),  # 4 tiles of 16 for 25 outputs
        (convolution(16, 48), (4, 16, 56, 56), True),
        (convolution(64, 72), (4, 64, 56, 56), False),
        (convolution(72, 64), (4, 72, 56, 56), False),
        (convolution(stride=2), (4, 64, 56, 56), False),
        (convolution(padding=0), (4, 64, 58, 58), True),
        (convolution(padding=(0, 1)), (4, 64, 58, 58), False),
        (convolution(padding=2), (4, 64, 56, 56), False),
        (convolution(dilation=2, padding=2), (4, 64, 56, 56), False),
        (convolution(groups=2), (4, 64, 56, 56), False),
        (convolution(padding_mode="reflect"), (4, 64, 56, 56), False),
        (convolution(padding="same"), (4, 64, 56, 56), False),
        (convolution(size=5, padding=2), (4, 64, 56, 56), False),
        (convolution().bfloat16(), (4, 64, 56, 56), False),
        (solid(), (4, 64, 16, 28, 28), True),
        (solid(), (1, 64, 4, 4, 4), True),  # 4 frames of 1 tile
        (solid(), (1, 64, 3, 4, 4), False),
        (solid(padding=0), (1, 64, 5, 6, 6), False),  # 3 of 5 frames
        (solid(taps=1), (4, 64, 16, 28, 28), True),
        (solid(taps=1, padding=1), (4, 64, 16, 28, 28), False),
        (solid(taps=5), (4, 64, 16, 28, 28), False),
        (solid(stride=(2, 1, 1)), (4, 64, 16, 28, 28), False),
        (nn.Conv3d(64, 64, (3, 1, 1), padding=(1, 0, 0)), (4, 64, 16, 28, 28), False),
    ],
)
def test_only_what_it_can_do_and_pays_is_given_to_it(conv, size, yes: bool) -> None:
    assert suits(conv, size) is yes


@compiled
@pytest.mark.parametrize(
    ("name", "options", "size", "count"),
    [
        ("resnet18", {}, (112, 112), 13),
        ("resnet50", {}, (96, 96), 13),
        ("small2d", {}, (112, 112), 1),
        ("resnet18_3d", {}, (16, 112, 112), 13),
        ("i3d", {}, (16, 112, 112), 17),  # of 19; two have 24 channels
        ("resnext101", {"sample_size": 64, "sample_duration": 16}, (16, 64, 64), 0),  # its convolutions have groups
    ],
)
def test_a_network_has_them_where_they_suit_and_gives_its_features(
    name: str, options: dict[str, int], size: tuple[int, ...], count: int
) -> None:
    torch.manual_seed(0)
    net, x = build(name, **options).requires_grad_(False).eval(), random(4, 3, *size)
    with torch.inference_mode():
        got = prepare("winograd", net, x, "float32", 1)(x)
        packed = pack(quicken(net), x, lambda conv, size: WinogradConvolution(conv) if suits(conv, size) else None)
        want = net.double().feature(x.double())
    assert sum(isinstance(part, WinogradConvolution) for part in packed.modules()) == count
    assert float((got - want).abs().max()) < 5e-6 * float(want.abs().max())  # measured: 1.4e-6 at most, 0.9e-6 with the usual convolutions


@pytest.mark.parametrize("command", ["no-such-compiler", "false", "true", "", "cc '"])
def test_without_a_compiler_that_works_the_runtime_is_refused_and_never_another(monkeypatch, command: str) -> None:
    monkeypatch.setenv("CC", command)
    refused(monkeypatch)


def test_with_no_room_for_the_compilation_the_runtime_is_refused(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(native.tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(OSError, match="none"):
        native.load(winograd.SOURCE)
    refused(monkeypatch)


def test_half_precision_and_other_devices_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instructions, "instructions", lambda: frozenset({"avx512_bf16"}))
    net = build("small2d").eval()
    for x, precision in ((torch.zeros(1, 3, 32, 32), "bfloat16"), (torch.zeros(1, 3, 32, 32, device="meta"), "float32")):
        with pytest.raises(ConfigError, match="runtime=winograd cannot be used here"):
            prepare("winograd", net, x, precision, 1)


def refused(monkeypatch) -> None:
    monkeypatch.setattr(winograd, "library", functools.cache(winograd.library.__wrapped__))  # as in a new process
    why = winograd.library()
    assert isinstance(why, str)
    with pytest.raises(ConfigError) as error:
        prepare("winograd", build("small2d").eval(), torch.zeros(1, 3, 32, 32), "float32", 1)
    assert error.value.message == f"runtime=winograd cannot be used here: {why}"


def test_nothing_of_the_compilation_stays_on_disk(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(native.tempfile, "tempdir", str(tmp_path))
    native.load(winograd.SOURCE)
    assert not list(tmp_path.iterdir())


@compiled
def test_where_temporary_files_cannot_be_executed_the_same_functions_are_loaded_from_memory(monkeypatch, tmp_path: Path) -> None:
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec", "none", str(tmp_path)], check=False, capture_output=True)
    real = native.ctypes.CDLL
    if done.returncode:  # only root can: as if it had been mounted so

        def refuses(name: str) -> ctypes.CDLL:
            if name.startswith(str(tmp_path)):
                raise OSError("failed to map segment from shared object")
            return real(name)

        monkeypatch.setattr(native.ctypes, "CDLL", refuses)
    monkeypatch.setattr(native.tempfile, "tempdir", str(tmp_path))
    try:
        assert native.load(winograd.SOURCE).winograd_width() == winograd.library().winograd_width()
    finally:
        if not done.returncode:
            subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_its_source_is_part_of_the_key_of_the_runtime_that_compiles_it_and_of_no_other() -> None:
    assert winograd.SOURCE in ExtractParams(runtime="winograd").data
    assert winograd.SOURCE not in ExtractParams().data
    known = Fingerprint(Path(__file__).parents[2])
    assert winograd.__name__ in known.closure("stages.extract.run", ExtractParams(runtime="winograd").modules)
    assert winograd.__name__ not in known.closure("stages.extract.run", ExtractParams().modules)


@compiled
def test_rows_tell_the_compiler_where_one_is_used() -> None:
    assert processor("winograd", "cpu") == f"{processor('eager', 'cpu')}, {native.compiler_version()}"
    assert native.compiler_version()
