"""What a network sees of a clip while it is fine-tuned: RandAugment, a crop, a mirror, an erased box (spec 10.4)."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from models.training.crops import At, Box, flip, normals, resized_crop, uniforms
from systems.xkd.randaugment import randaugment
from systems.xkd.video_views import Frames, View, network_input, padded, planes_of

#: share of a frame's area that is cropped
AREA, RATIO = (0.2, 0.766), (0.75, 1.3333)
#: how often a box is erased, of which share of the area and of which shape
ERASE, ERASED_AREA, ERASED_RATIO = 0.25, (0.02, 1 / 3), (0.3, 1 / 0.3)
#: added to ``At.view`` for what is erased: RandAugment and the crop have the numbers before
ERASED = 1 << 32


def finetune_view(frames: Frames, at: At, length: int = 32, size: int = 224) -> View:
    """Frames uint8 (T, H, W, 3) to (3, length, size, size): one crop, one mirror and one erased box for all frames.

    A pure function of where the training is.
    """
    clip = network_input(planes_of(randaugment(padded(frames, length), at)))
    box = resized_crop(at, clip.shape[2:], AREA, RATIO)
    part = torch.from_numpy(clip[:, :, box.top : box.top + box.height, box.left : box.left + box.width])
    view = F.interpolate(part.movedim(0, 1), (size, size), mode="bilinear", align_corners=False).movedim(1, 0).numpy()
    view = np.ascontiguousarray(view[..., ::-1] if flip(at) else view)
    return erased(view, at._replace(view=at.view + ERASED))


def erased(view: View, at: At) -> View:
    """At times with a box of noise, new in every frame, in place of what was there (Zhong et al., AAAI 2020)."""
    if uniforms(at)(0, 1) >= ERASE:
        return view
    box: Box = resized_crop(at, view.shape[2:], ERASED_AREA, ERASED_RATIO)
    noise = normals(at, (*view.shape[:2], box.height, box.width))
    done = view.copy()
    done[:, :, box.top : box.top + box.height, box.left : box.left + box.width] = noise
    return done
