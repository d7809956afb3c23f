"""What a network hears of a clip: random views of pre-training, of fine-tuning, of an SVM, and the views of a test (spec 2.6, 10.2, 10.6).

Samples are float32 (N,) in -1..1, mono; views are normalised log-mels (1, bands, columns). Random views are pure functions of
:class:`models.training.crops.At`, whose ``view`` tells the views of one clip apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from cache.errors import one_of
from models.training.crops import At, Box, Pick, Uniform, picks, uniforms
from systems.xkd.logmel import LogMel, log_mel, normalise
from systems.xkd.sizes import SIZES, ViewSizes
from systems.xkd.windows import dense_starts

Samples = npt.NDArray[np.float32]
#: by how much a view is louder or softer
GLOBAL_VOLUME, LOCAL_VOLUME, FINETUNE_VOLUME, SVM_VOLUME = 0.1, 0.2, 0.2, 0.1
#: local views begin at every so many samples
STEP = 100
#: a spectrogram is pasted into a canvas so much higher and wider, and a crop is so much of the spectrogram, in bands and in time
CANVAS = (1.0, 1.5)
SHARE = (0.6, 1.5)
#: SpecAugment: columns by which a place of the spectrogram moves; how many bands and columns are masked, and how often each
WARP, MASKED_BANDS, MASKED_COLUMNS, MASKS = 20, 10, 20, 2


class Mask(NamedTuple):
    """Bands or columns ``first`` up to ``first + length``."""

    first: int
    length: int


def prepared(samples: npt.NDArray[np.float32] | None, length: int) -> Samples:
    """Samples (N,) or (channels, N) to mono (length,): trimmed, or followed by silence. None, a file without sound, is silence."""
    mono = np.zeros(length, np.float32)
    if samples is not None:
        part = samples[..., :length]
        mono[: part.shape[-1]] = part if part.ndim == 1 else part.mean(axis=0)
    return mono


def louder(samples: Samples, factor: float) -> Samples:
    """All samples times a factor; what is too loud stays so."""
    return samples * np.float32(factor)


def global_view(samples: Samples, at: At, sizes: ViewSizes = SIZES) -> Tensor:
    """The whole clip, a little louder or softer: (1, bands, columns)."""
    return _spectrogram(_jittered(prepared(samples, sizes.samples), uniforms(at), GLOBAL_VOLUME), sizes)


def local_view(samples: Samples, at: At, sizes: ViewSizes = SIZES) -> Tensor:
    """A part of the clip, stretched and moved: (1, bands, local_columns)."""
    uniform, pick = uniforms(at), picks(at)
    whole = prepared(samples, sizes.samples)
    first = STEP * pick((sizes.samples - sizes.local_samples) // STEP + 1)
    view = _spectrogram(_jittered(whole[first : first + sizes.local_samples], uniform, LOCAL_VOLUME), sizes)
    return resized_crop(view, crop_box(view.shape[-2], view.shape[-1], uniform, pick))


def svm_view(samples: Samples, at: At, sizes: ViewSizes = SIZES) -> Tensor:
    """A training clip of an SVM or a linear head: (1, bands, columns)."""
    return _spectrogram(_jittered(prepared(samples, sizes.samples), uniforms(at), SVM_VOLUME), sizes)


def finetune_view(samples: Samples, at: At, sizes: ViewSizes = SIZES) -> Tensor:
    """A training clip of fine-tuning: volume, time warp, masks of bands and of columns, a random crop; (1, bands, columns)."""
    uniform, pick = uniforms(at), picks(at)
    view = _spectrogram(_jittered(prepared(samples, sizes.samples), uniform, FINETUNE_VOLUME), sizes)
    bands, columns = view.shape[-2:]
    if columns > 2 * WARP:
        centre = WARP + pick(columns - 2 * WARP)
        view = time_warp(view, centre, centre - WARP + pick(2 * WARP) + 1)
    view = masked(view, -2, _masks(bands, MASKED_BANDS, pick))
    view = masked(view, -1, _masks(columns, MASKED_COLUMNS, pick))
    return resized_crop(view, crop_box(bands, columns, uniform, pick))


def test_views(samples: Samples, clips: int, sizes: ViewSizes = SIZES, dense: str = "windows") -> Tensor:
    """The clips of a test (clips, 1, bands, columns): windows of the whole file's spectrogram.

    ``dense``: ``windows`` lie evenly; ``first4s``, as released, all are the first (quirk 11). A file shorter than a window ends in silence.
    """
    one_of("audio_dense", dense, ("windows", "first4s"))
    length = sizes.samples if dense == "first4s" else max(sizes.samples, len(samples))
    whole = _spectrogram(prepared(samples, length), sizes)
    return torch.stack([whole[..., first : first + sizes.columns] for first in dense_starts(whole.shape[-1], sizes.columns, clips)])


def crop_box(bands: int, columns: int, uniform: Uniform, pick: Pick) -> Box:
    """A random part of the canvas: height and width first, then its place."""
    height, width = canvas = _canvas(bands, columns)
    h, w = (int(np.clip(int(uniform(*SHARE) * side), 1, most)) for side, most in zip((bands, columns), canvas, strict=True))
    return Box(pick(height - h + 1), pick(width - w + 1), h, w)


def resized_crop(spectrogram: Tensor, box: Box) -> Tensor:
    """(1, bands, columns): a part of a canvas of zeros, with the spectrogram in its middle, resized to the old size.

    Random resize crop of BYOL-A (Niizumi et al., IJCNN 2021); bicubic.
    """
    bands, columns = spectrogram.shape[-2:]
    height, width = _canvas(bands, columns)
    top, left = (height - bands) // 2, (width - columns) // 2
    canvas = F.pad(spectrogram, (left, width - columns - left, top, height - bands - top))
    part = canvas[..., box.top : box.top + box.height, box.left : box.left + box.width]
    return F.interpolate(part[None], (bands, columns), mode="bicubic", align_corners=True)[0]


def masked(spectrogram: Tensor, axis: int, masks: Sequence[Mask]) -> Tensor:
    """Bands (``axis`` -2) or columns (-1) set to the mean of the whole spectrogram (Park et al., Interspeech 2019)."""
    hidden = spectrogram.clone()
    for mask in masks:
        hidden.narrow(axis, mask.first, mask.length).fill_(float(spectrogram.mean()))
    return hidden


def time_warp(spectrogram: Tensor, centre: int, moved: int) -> Tensor:
    """What is before column ``centre`` is resized to ``moved`` columns, the rest to those that are left (ibid.); bicubic."""
    bands, columns = spectrogram.shape[-2:]
    parts = ((spectrogram[..., :centre], moved), (spectrogram[..., centre:], columns - moved))
    return torch.cat([F.interpolate(part[None], (bands, wide), mode="bicubic", align_corners=False)[0] for part, wide in parts], dim=-1)


def _masks(size: int, longest: int, pick: Pick) -> list[Mask]:
    """All lengths first, 0 to ``longest`` - 1, then all places."""
    lengths = [pick(min(longest, size)) for _ in range(MASKS)]
    return [Mask(pick(max(1, size - max(lengths))), length) for length in lengths]


def _canvas(bands: int, columns: int) -> tuple[int, int]:
    return int(bands * CANVAS[0]), int(columns * CANVAS[1])


def _jittered(samples: Samples, uniform: Uniform, by: float) -> Samples:
    return louder(samples, uniform(1 - by, 1 + by))


def _spectrogram(samples: Samples, sizes: ViewSizes) -> Tensor:
    how = LogMel(sizes.rate, sizes.window, sizes.hop, sizes.bands)
    return normalise(log_mel(torch.from_numpy(samples), how))[None]
