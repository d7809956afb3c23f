"""Weights are data: what is published under which name, where it comes from, and what its input looks like.

Nothing here downloads. The weights of the embedded world are shipped; every other file is fetched by the user, who names
its path, and is checked against the digest in this table where one is known.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cache.errors import ConfigError, DataError, nearest

SHIPPED = Path(__file__).parent / "backbones" / "weights"

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
#: HCRN, DualVGR and MKD write 0.224 for the blue channel; the published appearance features contain it.
PAPER_STD = (0.229, 0.224, 0.224)
#: mean of ActivityNet, RGB 0..255, that the 2018 Kinetics networks were trained with (VideoQA leaves it out)
ACTIVITYNET_MEAN = (114.7748, 107.7354, 99.4750)


@dataclass(frozen=True)
class Weights:
    """One published set of weights.

    file:   file name as published. sha256: the whole digest or its published beginning; "" if none is known.
    image_size, mean, std: the input that it was trained with (mean and std in units of ``scale``: 1 or 255).
    tap:    what is used of it. layout: names in its state dict.
    """

    name: str
    backbone: str
    file: str
    source: str
    licence: str
    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    scale: int = 1
    sha256: str = ""
    tap: str = "feature"
    layout: str = ""
    classes: int = 0
    shipped: bool = False


def _imagenet(backbone: str, file: str) -> Weights:
    digest = file.removesuffix(".pth").rpartition("-")[2]
    return Weights(
        f"{backbone}.imagenet1k_v1",
        backbone,
        file,
        f"https://download.pytorch.org/models/{file}",
        "BSD-3-Clause (torchvision); trained on ImageNet-1k",
        224,
        IMAGENET_MEAN,
        IMAGENET_STD,
        sha256=digest,
        layout="torchvision",
        classes=1000,
    )


def _kinetics_2018(backbone: str, file: str) -> Weights:
    return Weights(
        f"{backbone}.kinetics400",
        backbone,
        file,
        "https://github.com/kenshohara/3D-ResNets-PyTorch (2018 release)",
        "MIT; trained on Kinetics-400",
        112,
        ACTIVITYNET_MEAN,
        (1.0, 1.0, 1.0),
        scale=255,
        layout="3D-ResNets 2018, keys begin with module.",
        classes=400,
    )


def _kinetics_2020(backbone: str, file: str) -> Weights:
    return Weights(
        f"{backbone}.kinetics700",
        backbone,
        file,
        "https://github.com/kenshohara/3D-ResNets-PyTorch (2020 release)",
        "MIT; trained on Kinetics-700",
        112,
        (0.4345, 0.4051, 0.3775),
        (0.2768, 0.2713, 0.2737),
        layout="3D-ResNets 2020",
        classes=700,
    )


def _world(backbone: str, image_size: int, sha256: str) -> Weights:
    motion = backbone.endswith("3d")
    return Weights(
        f"{backbone}.world",
        backbone,
        f"{backbone}_world.safetensors",
        "python -m stages.extract.pretraining (models/backbones/weights/README.md)",
        "Apache-2.0; trained on the drawn world of this project",
        image_size,
        (0.0, 0.0, 0.0) if motion else IMAGENET_MEAN,
        (1.0, 1.0, 1.0) if motion else PAPER_STD,
        scale=255 if motion else 1,
        sha256=sha256,
        layout=backbone,
        shipped=True,
    )


_ALL = (
    _world("small2d", 112, "60adb46a4e727c1dba7815617b8d23fa80c2a5732a2dd5389682d43ecb998ae1"),
    _world("small3d", 112, "f6250c7a83ebbc8e6c9ebb9f16c180b0f1abebae0f317ea6c24e08c9bb263dec"),
    _imagenet("resnet18", "resnet18-f37072fd.pth"),
    _imagenet("resnet34", "resnet34-b627a593.pth"),
    _imagenet("resnet50", "resnet50-0676ba61.pth"),
    _imagenet("resnet101", "resnet101-63fe2227.pth"),
    _kinetics_2018("resnext101", "resnext-101-kinetics.pth"),
    _kinetics_2018("resnet18_3d", "resnet-18-kinetics.pth"),
    _kinetics_2018("resnet34_3d", "resnet-34-kinetics.pth"),
    _kinetics_2018("resnet50_3d", "resnet-50-kinetics.pth"),
    _kinetics_2018("resnet101_3d", "resnet-101-kinetics.pth"),
    _kinetics_2018("wide_resnet50_3d", "wideresnet-50-kinetics.pth"),
    _kinetics_2020("r3d18", "r3d18_K_200ep.pth"),
    _kinetics_2020("r3d34", "r3d34_K_200ep.pth"),
    _kinetics_2020("r3d50", "r3d50_K_200ep.pth"),
    _kinetics_2020("r3d101", "r3d101_K_200ep.pth"),
)
WEIGHTS: dict[str, Weights] = {entry.name: entry for entry in _ALL}


def of_backbone(backbone: str) -> list[Weights]:
    """The known weights of a backbone, in the table's order."""
    return [entry for entry in WEIGHTS.values() if entry.backbone == backbone]


def find(backbone: str, short: str) -> Weights:
    """The entry ``<backbone>.<short>``, e.g. ``resnet101`` and ``imagenet1k_v1``. Raises ConfigError naming the nearest."""
    entry = WEIGHTS.get(f"{backbone}.{short}")
    if entry is None:
        known = [other.name.partition(".")[2] for other in of_backbone(backbone)]
        raise ConfigError(f"backbone {backbone!r} has no weights named {short!r}", hint=nearest(short, [*known, "file", "random"]))
    return entry


def check(entry: Weights, path: Path) -> Path:
    """Return ``path`` if it is there and its sha256 begins as the table says; DataError otherwise."""
    if not path.is_file():
        raise DataError(f"no weights file {path} for {entry.name}", hint=f"fetch {entry.file} from {entry.source} and give its path")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if entry.sha256 and not found.startswith(entry.sha256):
        raise DataError(
            f"{path} is not {entry.file}: its sha256 begins with {found[:12]}, expected {entry.sha256[:12]}",
            hint="fetch it again, or use it as it is with weights=file",
        )
    return path
