"""The recognition network: I3D (teacher) or Top-I3D (student), an attention over its last map, a classifier (spec 3.2).

Clips are (B, C, T, S, S); the last map, Mixed_5c, is (B, 1024, T/8, S/32, S/32), the attention (B, 1024, T/8), logits (B, K, T/8 - 1).
The attention's ``Linear`` is made for one clip length and its convolution for one frame size, so a network knows both. Smaller networks
are the same graph: ``width`` multiplies all channels, ``frames`` and ``size`` shorten the last map.
"""

from __future__ import annotations

from torch import Tensor, nn

from cache.errors import ConfigError
from models.backbones import i3d_channels_last
from models.backbones.i3d import I3D, TOP_SPATIAL, scaled
from systems.gkd.attention import attend, attention_head, spatial_reduction, weigh

#: frames and pixels of a clip to one step and one cell of the last map
FRAMES_A_STEP, PIXELS_A_CELL = 8, 32
#: channels of the last map and of the attention's inner map
CHANNELS, HIDDEN = 1024, 512
KINDS = ("student", "teacher")


class Trunk(nn.Module):
    """Puts ``_model`` before the names of the backbone, as published."""

    def __init__(self, model: I3D) -> None:
        super().__init__()
        self._model = model

    @property
    def net(self) -> I3D:
        """The backbone itself."""
        return self._model


class Recogniser(nn.Module):
    """State: ``backbone._model.*`` (344 entries, the classifier first), ``deconv1.*``, ``Att_Head_5c.*`` (10).

    kind:             ``student`` (Top-I3D) or ``teacher`` (I3D).
    n_input_channels: 3 for RGB, 2 for flow.
    frames, size:     length and side of clips.
    channels_last:    the fast layout on a CPU. Its sums are in another order, by which entries of a map that are next to 0, or next to
                      the largest of a window, change sides: gradients of single-precision training differ from those of the published
                      layout by 1 %, as both do from double precision.

    Raises ConfigError for clips too short to have two steps.
    """

    def __init__(
        self,
        kind: str,
        n_classes: int,
        n_input_channels: int = 3,
        *,
        frames: int = 64,
        size: int = 224,
        width: float = 1.0,
        dropout: float = 0.5,
        channels_last: bool = True,
    ) -> None:
        super().__init__()
        steps, cells = last_map(frames, size)
        if steps < 2:
            least = FRAMES_A_STEP + 1
            raise ConfigError(f"clips of {frames} frames leave one step of time", hint=f"--set frames={least} is the least, published 64")
        self.kind, self.frames, self.size, self.channels_last = kind, frames, size, channels_last
        spatial = TOP_SPATIAL if kind == "student" else ()
        net = I3D(n_classes, n_input_channels, spatial=spatial, dropout=dropout, width=width, window=(2, cells, cells))
        (hidden,) = scaled((HIDDEN,), width)
        self.backbone = Trunk(net)
        self.deconv1 = spatial_reduction(net.width, hidden, cells)
        self.Att_Head_5c = attention_head(hidden, net.width, steps)

    @property
    def channels(self) -> int:
        """Channels of the last map."""
        return self.backbone.net.width

    @property
    def map_shape(self) -> tuple[int, int, int]:
        """Channels, steps and cells of the last map: (1024, 8, 7)."""
        return (self.channels, *last_map(self.frames, self.size))

    def features(self, clips: Tensor) -> Tensor:
        """The last map of clips (B, C, T, S, S)."""
        net = self.backbone.net
        if not self.channels_last or clips.device.type != "cpu":
            return net.forward_features(clips)
        return i3d_channels_last.maps(net, clips, net.endpoints[-1:])[net.endpoints[-1]]

    def attention(self, features: Tensor) -> Tensor:
        """The attention of a last map."""
        return attend(self.deconv1, self.Att_Head_5c, features)

    def classify(self, features: Tensor) -> Tensor:
        """The logits of a last map, weighted or plain."""
        return self.backbone.net.forward_head(features)

    def forward(self, clips: Tensor, *, weighted: bool = True) -> Tensor:
        """Logits of clips, each for itself: of the weighted map, as RGB is tested, or of the plain one, as flow is."""
        features = self.features(clips)
        return self.classify(weigh(features, self.attention(features), per_clip=True) if weighted else features)


def last_map(frames: int, size: int) -> tuple[int, int]:
    """Steps of time and cells of a side that clips of this length and size have in the last map."""
    return -(-frames // FRAMES_A_STEP), -(-size // PIXELS_A_CELL)
