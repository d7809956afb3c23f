"""Weights of experts: a table as that of the backbones (:mod:`models.weights`), apart from it so that an edit here is no business there."""

from __future__ import annotations

from pathlib import Path

from cache.errors import ConfigError, nearest
from models.weights import IMAGENET_MEAN, IMAGENET_STD, Weights

SHIPPED = Path(__file__).parent / "shipped"


def _adabins(setting: str, trained: str) -> Weights:
    return Weights(
        f"adabins-{setting}.{setting}",
        f"adabins-{setting}",
        f"AdaBins_{setting}.pt",
        "https://github.com/shariqfarooq123/AdaBins",
        f"GPL-3.0 (the authors' repository); trained on {trained}",
        480,
        IMAGENET_MEAN,
        IMAGENET_STD,
        naming="AdaBins, under the key model",
    )


def _world(expert: str, image_size: int, sha256: str) -> Weights:
    """Shipped; ``image_size`` is the short side."""
    return Weights(
        f"{expert}.world",
        expert,
        f"{expert}_world.safetensors",
        "python -m stages.derive.pretraining (models/experts/shipped/README.md)",
        "Apache-2.0; trained on the drawn world of this project",
        image_size,
        (127.5,) * 3,
        (127.5,) * 3,
        scale=255,
        sha256=sha256,
        naming=expert,
        shipped=True,
    )


_ALL: tuple[Weights, ...] = (
    _adabins("nyu", "NYU Depth v2 (and ImageNet-1k)"),
    _adabins("kitti", "KITTI (and ImageNet-1k)"),
    _world("small-depth", 120, "57cf12a952fc819cae1db49241c1b4e52c518c8b6b3cde9e7d761c2637c63881"),
)
#: ``<expert>.<short name>`` -> its entry; ``backbone`` of an entry is the expert's name, or the detector's.
WEIGHTS: dict[str, Weights] = {entry.name: entry for entry in _ALL}


def of_expert(name: str) -> list[Weights]:
    """The known weights of an expert, or of a detector."""
    return [entry for entry in WEIGHTS.values() if entry.backbone == name]


def find(expert: str, short: str) -> Weights:
    """The entry ``<expert>.<short>``. Raises ConfigError naming the nearest."""
    entry = WEIGHTS.get(f"{expert}.{short}")
    if entry is None:
        known = [other.name.partition(".")[2] for other in of_expert(expert)]
        raise ConfigError(f"expert {expert!r} has no weights named {short!r}", hint=nearest(short, [*known, "file", "random"]))
    return entry
