"""What a checkpoint holds is read off its names and shapes; published names come under our names."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
import torch
from torch import nn

from cache.errors import DataError
from models.backbones import i3d, mobilenetv3, resnet2d, resnet3d
from models.backbones.naming import find_backbone
from models.backbones.published import State, load_into
from models.backbones.registry import BACKBONES, build, options_of
from models.backbones.sniff import identify, infer_resnet3d

SMALL = {"layers": (1, 1, 1, 1), "n_classes": 5}
NETS = {
    "basic A": lambda: resnet3d.resnet_2018(18, shortcut="A", n_classes=5, layers=(2, 1, 1, 1)),
    "basic B narrow": lambda: resnet3d.resnet_2020(18, n_classes=5, widen_factor=0.25),
    "bottleneck": lambda: resnet3d.resnet_2020(50, n_classes=5, widen_factor=0.25, conv1_t_size=3, layers=(1, 2, 1, 1)),
    "wide": lambda: resnet3d.wide_resnet_2020(50, k=1, **SMALL),
    "wide 2018": lambda: resnet3d.wide_resnet_2018(50, k=1, n_classes=5),
    "resnext": lambda: resnet3d.resnext_2018(**SMALL),
    "resnext c8": lambda: resnet3d.resnext_2018(cardinality=8, **SMALL),
    "r2p1d": lambda: resnet3d.resnet_2020(18, n_classes=5, widen_factor=0.25, factorised=True),
    "r2p1d bottleneck": lambda: resnet3d.resnet_2020(50, factorised=True, widen_factor=0.25, **SMALL),
    "two channels": lambda: resnet3d.resnet_2020(10, n_input_channels=2, widen_factor=0.25, n_classes=5),
    "no classes": lambda: resnet3d.resnet_2020(10, widen_factor=0.25, n_classes=0),
}


@pytest.mark.parametrize("name", NETS)
def test_the_network_is_read_off_its_state(name: str) -> None:
    net = NETS[name]().eval()
    again = infer_resnet3d(net.state_dict()).eval()
    load_into(again, net.state_dict(), "state")
    x = torch.rand(1, 2 if name == "two channels" else 3, 16, 32, 32)
    net.avgpool = again.avgpool  # the 2018 window is for 112 pixels; here the clip is smaller
    with torch.inference_mode():
        assert torch.equal(net.feature(x), again.feature(x))


def meta(make: Callable[[], nn.Module]) -> State:
    with torch.device("meta"):
        return make().state_dict()


@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_is_known_by_its_state(name: str) -> None:
    state = meta(lambda: build(name))
    for prefix in ("", "module."):
        naming = find_backbone({prefix + key: value for key, value in state.items()})
        assert (naming.prefix, naming.rest, list(naming.state)) == (prefix, (), list(state))
        found = identify(naming.state)
        assert found.backbone == name and found.channels == BACKBONES[name].channels
    with torch.device("meta"):
        assert list(found.make().state_dict()) == list(state)


@pytest.mark.parametrize(
    ("make", "want"),
    [
        (lambda: resnet3d.resnet_2018(34, shortcut="A"), ("resnet34_3d", "3-D ResNet", 34, "A", 400, 0)),
        (lambda: resnet3d.resnet_2018(18, shortcut="B", n_classes=101), ("r3d18", "3-D ResNet", 18, "B", 101, 0)),
        (lambda: resnet3d.resnet_2020(152, n_classes=1039), ("r3d152", "3-D ResNet", 152, "B", 1039, 0)),
        (lambda: resnet3d.resnext_2018(n_classes=51), ("resnext101", "3-D ResNeXt", 101, "B", 51, 32)),
        (lambda: resnet3d.resnext_2018(cardinality=8), ("", "3-D ResNeXt", 101, "B", 400, 8)),
        (lambda: resnet3d.wide_resnet_2018(50), ("wide_resnet50_3d", "wide 3-D ResNet", 50, "B", 400, 0)),
        (lambda: resnet3d.resnet_2020(34, factorised=True), ("r2p1d34", "R(2+1)D", 34, "B", 700, 0)),
        (lambda: resnet2d.resnet50(7), ("resnet50", "2-D ResNet", 50, "B", 7, 0)),
        (lambda: mobilenetv3.mobilenet_v3_large(0), ("mobilenet_v3_large", "MobileNetV3-large", 0, "", 0, 0)),
        (lambda: i3d.topi3d(20, 2), ("topi3d_flow", "Top-I3D, flow", 0, "", 20, 0)),
        (lambda: i3d.i3d(0), ("i3d", "I3D, RGB", 0, "", 0, 0)),
    ],
)
def test_family_depth_shortcut_classes_and_cardinality_are_told(make: Callable[[], nn.Module], want: tuple[object, ...]) -> None:
    found = identify(meta(make))
    assert (found.backbone, found.family, found.depth, found.shortcut, found.n_classes, found.cardinality) == want
    if found.backbone:
        with torch.device("meta"):
            again = build(found.backbone, **options_of(found.backbone, meta(make))).state_dict()
        assert {k: v.shape for k, v in again.items()} == {k: v.shape for k, v in meta(make).items()}


def test_old_files_without_counters_are_known() -> None:
    state = {k: v for k, v in meta(lambda: resnet3d.resnet_2018(18, shortcut="A")).items() if not k.endswith("num_batches_tracked")}
    assert identify(state).backbone == "resnet18_3d"


def sequence(net: nn.Module) -> State:
    """A ResNet as Lite-MKD keeps it: a sequence of its parts, without pooling and classifier."""
    parts = (net.conv1, net.bn1, nn.ReLU(), net.maxpool, net.layer1, net.layer2, net.layer3, net.layer4)
    return nn.Sequential(*parts).state_dict()


def lite_mobile(net: mobilenetv3.MobileNetV3) -> State:
    return {"0." + key: value for key, value in net.features.state_dict().items()}


PUBLISHED: dict[str, tuple[str, Callable[[nn.Module], State], str, dict[str, int]]] = {
    "Lite-MKD student": (
        "resnet18",
        sequence,
        "backbone.resnet.",
        {"backbone.fc1.weight": 2, "backbone.fc2.weight": 2, "classifier.0.k": 1},
    ),
    "Lite-MKD student on several devices": ("resnet18", sequence, "backbone.resnet.module.", {"backbone.fc1.weight": 2}),
    "Lite-MKD extractor": ("resnet50", sequence, "resnet.", {"transformers.0.pe": 1, "attn_pat.weight": 2}),
    "Lite-MKD supervised": ("resnet50", sequence, "convnet.", {"fc.weight": 2}),
    "Lite-MKD small student": ("mobilenet_v3_small", lite_mobile, "backbone.mobile.", {"backbone.fc.weight": 2}),
    "Lite-MKD meta baseline": ("resnet50", nn.Module.state_dict, "backbone.resnet.", {"backbone.fc1.weight": 2}),
    "gkd recognition": ("topi3d", nn.Module.state_dict, "backbone._model.", {"deconv1.0.weight": 5, "Att_Head_5c.3.weight": 2}),
    "gkd detection": ("topi3d_flow", nn.Module.state_dict, "backbone._model.", {"coarse_pyramid_detection.loc_head.weight": 3}),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_backbone_is_found_in_the_checkpoint_of_a_whole_model(name: str) -> None:
    backbone, convert, prefix, heads = PUBLISHED[name]
    net = build(backbone, n_classes=0)
    entries = {prefix + key: value for key, value in convert(net).items()}
    entries |= {key: torch.zeros((1,) * dims) for key, dims in heads.items()}
    naming = find_backbone(entries)
    assert set(naming.rest) == set(heads)
    assert naming.prefix.startswith(prefix)
    found = identify(naming.state)
    assert found.backbone == backbone and found.n_classes == 0
    again = load_into(found.make(), naming.state, name)
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), net.state_dict().values()))


def test_what_holds_no_backbone_or_several_is_refused() -> None:
    one = meta(lambda: resnet2d.resnet18())
    with pytest.raises(DataError, match=r"2 backbones: under 'rgb.', 'flow.'"):
        find_backbone({f"{modality}.{key}": value for modality in ("rgb", "flow") for key, value in one.items()})
    with pytest.raises(DataError, match="no backbone that kdpipe knows: 1 entries, beginning with x"):
        find_backbone({"x": torch.zeros(1)})
    with pytest.raises(DataError, match="no entry 'layer2"):
        identify({key: value for key, value in one.items() if not key.startswith("layer2")})


@pytest.mark.parametrize("name", ["Conv3d_1a_7x7.conv3d.weight", "features.0.0.weight", "conv1.weight", "conv1_s.weight"])
@pytest.mark.parametrize("shape", [(), (1,), (0, 0, 0, 0, 0)])
def test_entries_of_impossible_shapes_are_no_network_of_the_registry(name: str, shape: tuple[int, ...]) -> None:
    state = {name: torch.zeros(shape), "layer1.0.conv1.weight": torch.zeros(shape)}
    with contextlib.suppress(DataError):
        assert identify(state).backbone == ""
