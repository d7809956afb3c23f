"""Networks of timm by its names: built without a download, loaded from a file, refused where the input is not theirs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cache.errors import ConfigError, DataError
from models.backbones.registry import build, find
from models.inference.runtimes import prepare
from models.inference.runtimes.gate import admit
from stages.extract import ExtractParams
from stages.extract.network import load_network
from tests.command import PROJECT

timm = pytest.importorskip("timm", reason="needs timm (extra [timm])")
NAME = "timm:resnet18.a1_in1k"


def loaded(weights: Path, name: str = NAME, pixels: str = "imagenet") -> torch.nn.Module:
    return load_network(find(name), "file", weights, image_size=64, frames=1, seed=0, device="cpu", pixels=pixels)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a network with a classifier of seven classes."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("timm") / "resnet18.pth"
    torch.save(timm.create_model("resnet18", num_classes=7).state_dict(), path)
    return path


def test_a_file_with_a_classifier_gives_the_feature_that_the_classifier_sees(weights: Path) -> None:
    own, images = timm.create_model("resnet18", num_classes=7), torch.rand(2, 3, 64, 64)
    own.load_state_dict(torch.load(weights, weights_only=True))
    feature = loaded(weights).feature(images)
    assert feature.shape == (2, 512)
    assert torch.equal(own.eval().fc(feature), own(images))


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "convnext_atto", "vit_tiny_patch16_224", "regnety_002"])
def test_the_default_runtime_computes_what_the_network_does(name: str) -> None:
    torch.manual_seed(0)
    net, images = build(f"timm:{name}").eval(), torch.rand(2, 3, 224, 224)
    with torch.inference_mode():
        admit(prepare("eager", net, images, "float32", 1), net, images, "float32", name)


def test_an_unknown_name_is_refused_with_the_nearest(weights: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no network 'resnet81'\n  did you mean 'resnet"):
        build("timm:resnet81")
    with pytest.raises(ConfigError, match="has no network 'hf-hub:somebody/net'"):
        build("timm:hf-hub:somebody/net")


def test_weights_of_another_network_and_input_of_another_kind_are_refused(weights: Path) -> None:
    with pytest.raises(DataError, match="does not fit TimmNetwork"):
        loaded(weights, "timm:resnet34")
    with pytest.raises(ConfigError, match=r"input=paper: timm says .*\n  --set extract\.appearance\.input=imagenet"):
        loaded(weights, pixels="paper")


def test_the_input_is_the_one_of_imagenet_unless_another_is_named_and_the_key_holds_the_version_of_timm() -> None:
    params = ExtractParams(backbone=NAME, weights="file")
    assert params.pixels == "imagenet" and "timm" in params.libraries
    assert ExtractParams(backbone=NAME, input="symmetric").pixels == "symmetric"
    assert params.modules[0] == "models.backbones.timm_networks"


def test_to_look_at_a_graph_of_it_loads_neither_timm_nor_torch() -> None:
    look = f"stages.extract.ExtractParams(backbone={NAME!r}).network"
    code = f"import sys, stages.extract; {look}; print([m for m in ('torch', 'timm') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT)
    assert done.stdout.strip() == "[]"
