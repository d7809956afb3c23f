"""The detection networks: I3D (teacher) or Top-I3D (student), attention over Mixed_4f and Mixed_5c, and the AFSD head (spec 3.3).

Clips are (B, C, T, S, S) in -1..1, published 256x96x96. Plain AFSD is the same without attention. State names are the published ones:
``backbone._model.*``, ``coarse_pyramid_detection.*``, ``deconv1``, ``deconv2``, ``Att_Head_4f``, ``Att_Head_5c``.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from cache.errors import one_of
from models.backbones import i3d_channels_last
from models.backbones.i3d import I3D, TOP_SPATIAL
from models.backbones.i3d_fixed_norm import fixed_norm_maps
from systems.gkd.attention import attend, attention_head, spatial_reduction
from systems.gkd.detection.pyramid import CoarsePyramid, Detections
from systems.gkd.detection.shape import Shape

#: kind -> endpoints of the backbone whose temporal kernels are 1
KINDS = {"teacher": frozenset[str](), "student": TOP_SPATIAL}


class Maps(NamedTuple):
    """Something of each of the two feature maps: the maps themselves (B, C, T', s, s), their attentions (B, C, T'), or samples of them."""

    map_4f: Tensor
    map_5c: Tensor


class Backbone(nn.Module):
    """Clips (B, C, T, S, S) -> Mixed_4f (B, 832, T / 4, S / 16, S / 16) and Mixed_5c (B, 1024, T / 8, S / 32, S / 32)."""

    def __init__(self, kind: str, channels: int, width: float, fast: bool) -> None:
        super().__init__()
        self.fast = fast
        self._model = I3D(0, channels, spatial=KINDS[kind], final_endpoint="Mixed_5c", width=width)

    @property
    def net(self) -> I3D:
        """The backbone itself."""
        return self._model

    def forward(self, clips: Tensor) -> Maps:
        names = ("Mixed_4f", "Mixed_5c")
        moving = any(module.training for module in self.net.modules() if isinstance(module, nn.BatchNorm3d))
        if not self.fast or (moving and clips.device.type != "cpu"):
            maps = self.net.stages(clips)
        elif moving:
            maps = i3d_channels_last.maps(self.net, clips, names)
        else:
            maps = fixed_norm_maps(self.net, clips, names)
        return Maps(*(maps[name] for name in names))


class Detector(nn.Module):
    """A detection network.

    kind:             ``teacher`` (I3D) or ``student`` (Top-I3D).
    attention:        without it this is plain AFSD.
    pooling_gradient: ``true`` or ``published`` (quirk D3).
    weighting:        ``sum`` or ``mean``, what weighted maps are divided by (quirk D4: the sum makes them about 1e-5 in size, where
                      group normalisation hardly normalises).
    freeze_bn:        batch normalisation stays in evaluation mode, whatever mode the network is in. Its scales and shifts may be
                      trained all the same: that is for the training to say (quirk D5).
    fast:             the backbone as :mod:`models.backbones.i3d_fixed_norm` computes it while its normalisation is frozen, and as
                      :mod:`models.backbones.i3d_channels_last` does while that learns on a CPU. The same in double precision; in single
                      precision gradients differ by some thousandths of the largest, as another order of sums makes them.
    """

    def __init__(
        self,
        kind: str,
        shape: Shape | None = None,
        *,
        attention: bool = True,
        pooling_gradient: str = "true",
        weighting: str = "sum",
        freeze_bn: bool = True,
        fast: bool = True,
    ) -> None:
        super().__init__()
        one_of("kind of detection network", kind, KINDS)
        one_of("weighting", weighting, ("sum", "mean"))
        self.kind, self.shape, self.weighting, self.freeze_bn = kind, shape or Shape(), weighting, freeze_bn
        shape = self.shape
        self.coarse_pyramid_detection = CoarsePyramid(shape, pooling_gradient)
        self.backbone = Backbone(kind, shape.channels, shape.width, fast)
        self.has_attention = attention
        if attention:
            hidden = shape.head_channels
            self.deconv1 = spatial_reduction(shape.channels_5c, hidden, shape.size_5c)
            self.deconv2 = spatial_reduction(shape.channels_4f, hidden, shape.size_4f)
            self.Att_Head_4f = attention_head(hidden, shape.channels_4f, shape.steps_4f)
            self.Att_Head_5c = attention_head(hidden, shape.channels_5c, shape.steps_5c)

    def train(self, mode: bool = True) -> Detector:
        super().train(mode)
        if self.freeze_bn:
            for module in self.backbone.modules():
                if isinstance(module, nn.BatchNorm3d):
                    module.eval()
        return self

    def features(self, clips: Tensor) -> Maps:
        """The two feature maps of clips (B, C, T, S, S)."""
        maps: Maps = self.backbone(clips)
        return maps

    def attention(self, maps: Maps) -> Maps:
        """One weight in 0..1 for each channel and step of each map."""
        return Maps(attend(self.deconv2, self.Att_Head_4f, maps.map_4f), attend(self.deconv1, self.Att_Head_5c, maps.map_5c))

    def weighted(self, maps: Maps, attention: Maps) -> Maps:
        """Maps weighted by their attention, for the head."""
        return weighted_by(maps, attention, self.weighting)

    def background(self, maps: Maps, attention: Maps) -> Maps:
        """Maps weighted by what their attention leaves."""
        return background_of(maps, attention, self.weighting)

    def detect(self, maps: Maps) -> Detections:
        """The head on two maps, plain or weighted."""
        found: Detections = self.coarse_pyramid_detection(*maps)
        return found

    def forward(self, clips: Tensor, *, weighted: bool = True) -> Detections:
        """Clips to predictions: of weighted maps, as RGB is tested, or of plain ones, as flow beside RGB and plain AFSD are."""
        maps = self.features(clips)
        return self.detect(self.weighted(maps, self.attention(maps)) if weighted and self.has_attention else maps)


def weighted_by(maps: Maps, attention: Maps, how: str = "sum") -> Maps:
    """Maps times their attention, over the attention's ``sum`` over batch, channels and time, or over its ``mean`` (quirk D4)."""
    return Maps(*(x * a[..., None, None] / getattr(a, how)() for x, a in zip(maps, attention, strict=True)))


def background_of(maps: Maps, attention: Maps, how: str = "sum") -> Maps:
    """Maps weighted by what the attention leaves: by 1 - attention."""
    return weighted_by(maps, Maps(*(1 - a for a in attention)), how)
