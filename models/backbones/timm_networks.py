"""Image networks of timm (Wightman, https://github.com/huggingface/pytorch-image-models), by its names: ``timm:resnet18.a1_in1k``.

They need the package timm (extra ``kdpipe[timm]``) and a file of their weights; nothing is downloaded. State dicts have timm's names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import timm
import torch
from torch import Tensor, nn

from cache.errors import ConfigError, nearest
from models.backbones.inputs import table
from models.backbones.kinds import KINDS

#: How far a value of the network's input may lie from what it was trained with.
TOLERANCE = 1e-4


class TimmNetwork(nn.Module):
    """Images (B, 3, H, W) -> the pooled feature (B, V) that its classifier would see."""

    #: timm's normalisations may do the activation too, so they are not folded into convolutions
    foldable = False

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net, self.width = net, int(net.num_features)

    def forward_features(self, x: Tensor) -> Tensor:
        """The last map, or tokens (B, N, V) of a transformer."""
        return self.net.forward_features(x)

    def pool(self, x: Tensor) -> Tensor:
        """What the classifier sees of the last map: (B, V)."""
        return self.net.forward_head(x, pre_logits=True)

    def feature(self, x: Tensor) -> Tensor:
        """The pooled feature (B, V)."""
        return self.pool(self.forward_features(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.feature(x)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Entries under timm's names."""
        return self.net.state_dict(*args, **kwargs)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Take entries under timm's names."""
        return self.net.load_state_dict(state_dict, strict=strict, assign=assign)

    def check_input(self, how: str) -> None:
        """Raise ConfigError if pixels made into input by ``how`` are not what the network was trained with."""
        mean, std = (np.array(self.net.pretrained_cfg[key]) for key in ("mean", "std"))
        wanted = (np.arange(256)[:, None] / 255 - mean) / std
        fits = [one for one in KINDS["appearance"].inputs if np.allclose(table(one, 3), wanted, atol=TOLERANCE)]
        if how not in fits:
            what = f"timm says that this network was trained with mean {tuple(mean.tolist())} and deviation {tuple(std.tolist())}"
            raise ConfigError(f"input={how}: {what}", hint=f"--set extract.appearance.input={fits[0]}" if fits else "no input here is that")


def options_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The shapes of a file's entries: they say how many classes its classifier has."""
    return {"shapes": {name: tuple(value.shape) for name, value in state.items()}}


def timm_network(name: str, shapes: Mapping[str, tuple[int, ...]] | None = None, n_classes: int = 0) -> TimmNetwork:
    """Build the network that timm calls ``name``. Raises ConfigError naming the nearest one."""
    if ":" in name or "/" in name or not timm.is_model(name.partition(".")[0]):
        known = timm.list_models()
        raise ConfigError(f"timm {timm.__version__} has no network {name!r}", hint=nearest(name.partition(".")[0], known))
    classifier = getattr(timm.get_pretrained_cfg(name, allow_unregistered=True), "classifier", None)
    weight = (shapes or {}).get(f"{classifier}.weight", (n_classes,))
    with torch.no_grad():
        return TimmNetwork(timm.create_model(name, pretrained=False, num_classes=weight[0]))
