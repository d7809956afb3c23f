"""Runtimes and precisions: the same features within what is stated, or a refusal."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from cache.errors import ConfigError, DataError
from models.backbones.registry import build
from models.inference import instructions
from models.inference.runtimes import prepare
from models.inference.runtimes.gate import ALLOWED, admit
from models.inference.runtimes.openvino import compiled_model, library

INSTALLED = {
    "eager": True,
    "winograd": True,  # it is compiled, which is not for the collecting of tests
    "compile": shutil.which("g++") is not None,
    "openvino": importlib.util.find_spec("openvino") is not None,
}
NETWORKS = [
    ("resnet18", {}, (16, 3, 64, 64)),
    ("mobilenet_v3_small", {}, (16, 3, 64, 64)),
    ("r2p1d18", {}, (4, 3, 8, 32, 32)),
    ("resnet18_3d", {"sample_size": 32, "sample_duration": 16}, (4, 3, 16, 32, 32)),
    ("i3d", {}, (4, 3, 16, 32, 32)),
    ("resnext101", {"depth": 50, "sample_size": 32, "sample_duration": 16}, (4, 3, 16, 32, 32)),
    ("small2d", {}, (4, 3, 64, 64)),
    ("small3d", {}, (4, 3, 8, 32, 32)),
]
#: networks that are compiled here: seconds each
COMPILED = ("mobilenet_v3_small", "i3d", "small3d")
CASES = [
    pytest.param(runtime, *case, marks=pytest.mark.skipif(not there, reason=f"what runtime={runtime} needs is not installed"))
    for runtime, there in INSTALLED.items()
    for case in NETWORKS
    if runtime != "compile" or case[0] in COMPILED
]


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def network(name: str, options: dict[str, Any]):
    """With statistics and gains that a folding mistake would show."""
    torch.manual_seed(0)
    net = build(name, **options)
    for part in net.modules():
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
            part.running_mean.uniform_(-0.2, 0.2)
            part.running_var.uniform_(0.8, 1.3)
            part.weight.data.uniform_(0.8, 1.2)
    return net.requires_grad_(False).eval()


@pytest.mark.parametrize(("runtime", "name", "options", "shape"), CASES)
def test_a_runtime_gives_the_plain_networks_features_whatever_the_company(request, runtime: str, name: str, options, shape) -> None:
    if runtime == "winograd":
        request.getfixturevalue("compiled_winograd")
    net, x = network(name, options), torch.randn(shape, generator=torch.Generator().manual_seed(1))
    feature = prepare(runtime, net, x, "float32", 1)
    assert admit(feature, net, x, "float32", name) < 1e-5
    with torch.inference_mode():
        rows, turned = feature(x), feature(x.roll(1, 0))
        alone = torch.zeros_like(x)
        alone[2] = x[2]
        assert torch.equal(rows.roll(1, 0), turned)
        assert torch.equal(rows[2], feature(alone)[2])


@pytest.mark.skipif(not INSTALLED["compile"], reason="g++ is not installed")
def test_what_is_compiled_answers_every_kind_of_tensor_with_the_same_code() -> None:
    from torch._dynamo.utils import counters

    net, x = network("small2d", {}), torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    features = [prepare("compile", net, x, "float32", 1) for _ in range(10)]  # the compiler gives up after 8 of one code object
    want = features[0](x)
    before = counters["stats"]["unique_graphs"]
    for feature in features:
        assert torch.equal(feature(x), want)
    assert counters["inductor"]["mkldnn_conv_weight_pack_matcher_count"] > 0, "weights were not packed: slower than PyTorch as it is"
    with torch.inference_mode():
        assert torch.equal(features[0](x.clone()), want)
        assert torch.equal(features[0](x.contiguous(memory_format=torch.channels_last)), want)
    assert counters["stats"]["unique_graphs"] == before and before >= 10


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_low_precision_stays_within_what_is_stated_and_is_not_full_precision(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instructions, "instructions", lambda: frozenset({"avx512_bf16"}))  # PyTorch emulates it: slow, but the same
    net, x = network("resnet18", {}), torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    error = admit(prepare("eager", net, x, precision, 1), net, x, precision, "it")
    assert 1e-5 < error < ALLOWED[precision]


def test_the_gate_refuses_features_that_are_off_or_not_finite() -> None:
    net, x = network("resnet18", {}), torch.randn(2, 3, 32, 32)
    admit(lambda y: net.feature(y) * (1 + 5e-5), net, x, "float32", "it")
    with pytest.raises(DataError, match=r"it is off by 2\.0e-04"):
        admit(lambda y: net.feature(y) * (1 + 2e-4), net, x, "float32", "it")
    with pytest.raises(DataError, match="off by nan"):
        admit(lambda y: net.feature(y) * torch.nan, net, x, "float32", "it")


def test_a_runtime_that_is_not_installed_or_not_for_the_device_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network("resnet18", {})
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    with pytest.raises(ConfigError, match="needs OpenVINO") as error:
        prepare("openvino", net, torch.zeros(1, 3, 32, 32), "float32", 1)
    assert "kdpipe[openvino]" in (error.value.hint or "")
    with pytest.raises(ConfigError, match="on the CPU, not on meta"):
        prepare("openvino", net, torch.zeros(1, 3, 32, 32, device="meta"), "float32", 1)


def arithmetic(compiled) -> set[str]:
    """The types in which a compiled model of OpenVINO does its convolutions and products."""
    about = [op.get_rt_info() for op in compiled.get_runtime_model().get_ordered_ops()]
    sums = [info for info in about if info["layerType"].astype(str) in ("Convolution", "FullyConnected")]
    return {str(info["runtimePrecision"].astype(str)) for info in sums}


@pytest.mark.skipif(not INSTALLED["openvino"], reason="openvino is not installed")
@pytest.mark.parametrize(("precision", "name"), [("float32", "f32"), ("bfloat16", "bf16")])
def test_openvino_computes_in_what_the_key_says_and_not_in_what_the_processor_likes(
    precision: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if instructions.lacks(precision, "cpu"):
        pytest.skip("the processor has no such instructions")
    net, x = network("resnet18", {}), torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    made = []
    monkeypatch.setattr("models.inference.runtimes.openvino.compiled_model", lambda *how: made.append(compiled_model(*how)) or made[-1])
    feature = prepare("openvino", net, x, precision, 1)
    (compiled,) = made
    assert compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == name
    assert arithmetic(compiled) == {name}
    assert (admit(feature, net, x, precision, "it") < 1e-5) == (precision == "float32")


@pytest.mark.skipif(not INSTALLED["openvino"], reason="openvino is not installed")
def test_openvino_that_would_compute_in_another_precision_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    openvino = library()
    real = openvino.Core.compile_model

    def other(core, model, device, settings):
        return real(core, model, device, settings | {"INFERENCE_PRECISION_HINT": "f32"})

    monkeypatch.setattr(openvino.Core, "compile_model", other)
    with pytest.raises(ConfigError, match="OpenVINO computes in f32 here, where precision=float16 was asked for"):
        compiled_model(network("small2d", {}), torch.zeros(4, 3, 32, 32), "float16", 1)


@pytest.mark.skipif(not INSTALLED["openvino"], reason="openvino is not installed")
def test_openvino_tells_nobody_of_what_it_converts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its telemetry keeps a name of the machine in the home, and forks this process for every message."""
    monkeypatch.setenv("HOME", str(tmp_path))
    compiled_model(network("small2d", {}), torch.zeros(1, 3, 32, 32), "float32", 1)
    assert list(tmp_path.iterdir()) == []
    assert "stub" in sys.modules["openvino.tools.ovc.convert_impl"].tm.__name__
