"""What a network sees of a clip: random views of pre-training and of an SVM, and the views of a test (spec 2.5, 10.1).

Frames are uint8 (T, H, W, 3), views float32 (3, T, size, size), normalised; all frames of a view are changed alike. Random views are pure
functions of :class:`models.training.crops.At`, whose ``view`` tells the views of one clip apart.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from cache.errors import one_of
from models.training.crops import At, Box, flip, offset, picks, resized_crop, uniforms
from models.weights import IMAGENET_MEAN, IMAGENET_STD
from systems.xkd import colour
from systems.xkd.sizes import SIZES, ViewSizes
from systems.xkd.windows import dense_starts

Frames = npt.NDArray[np.uint8]
View = npt.NDArray[np.float32]
#: share of a frame's area that a view shows
GLOBAL_AREA, LOCAL_AREA, SVM_AREA = (0.2, 1.0), (0.08, 0.4), (0.08, 1.0)
#: how often a local view is grey, and how often blurred; the SVM's is never blurred
GREY, BLUR = 0.2, 0.5
#: x/255 - mean, by the deviation, as a factor and a shift
FACTOR = (1 / (255 * np.array(IMAGENET_STD))).astype(np.float32)
SHIFT = (np.array(IMAGENET_MEAN) / np.array(IMAGENET_STD)).astype(np.float32)
#: of the short side to which a test resizes frames, so much is cropped
CENTRE = 0.875


def base(frames: Frames, sizes: ViewSizes = SIZES) -> Frames:
    """Frames with a short side of the global view's size: what views of pre-training are taken from. Random is nothing here."""
    return shortened(frames, sizes.size)


def global_view(frames: Frames, at: At, sizes: ViewSizes = SIZES) -> View:
    """(3, frames, size, size): all frames, a random part of each, in other colours."""
    clip = base(padded(frames, sizes.frames), sizes)
    return _random(clip, at, sizes.size, GLOBAL_AREA)


def local_view(frames: Frames, at: At, sizes: ViewSizes = SIZES, blur: str = "random") -> View:
    """(3, local_frames, local_size, local_size): frames that follow one another, a small part of each, in other colours, at times grey or
    blurred. ``blur``: a ``random`` sigma, the same in both directions, or ``fixed`` ones as released (quirk 9)."""
    one_of("blur", blur, ("random", "fixed"))
    clip = padded(frames, sizes.frames)
    first = offset(at, sizes.frames - sizes.local_frames)
    return _random(base(clip[first : first + sizes.local_frames], sizes), at, sizes.local_size, LOCAL_AREA, GREY, BLUR, blur)


def svm_train_view(frames: Frames, at: At, sizes: ViewSizes = SIZES) -> View:
    """(3, frames, size, size): a training clip of an SVM or a linear head, cropped from frames as they are."""
    return _random(padded(frames, sizes.frames), at, sizes.size, SVM_AREA, GREY)


def test_view(frames: Frames, sizes: ViewSizes = SIZES, clips: int = 3, protocol: str = "linear", crops: str = "spread") -> View:
    """The views of a whole video (clips · 3, 3, frames, size, size): windows that lie evenly, three crops of each.

    ``protocol``: ``linear`` is resized to more than the network's size and cropped, ``finetune`` to just that size. ``crops`` of the
    first are ``spread`` over the long side, or the ``same`` one in the middle, as released (quirk 11).
    """
    one_of("protocol", protocol, ("linear", "finetune"))
    one_of("test_crops", crops, ("spread", "same"))
    whole = padded(frames, max(len(frames), sizes.frames))
    views = finetune_crops(whole, sizes.size) if protocol == "finetune" else linear_crops(whole, sizes.size, crops)
    starts = dense_starts(len(whole), sizes.frames, clips)
    return np.concatenate([np.stack([view[:, first : first + sizes.frames] for view in views]) for first in starts])


def linear_crops(frames: Frames, size: int, crops: str = "spread") -> list[View]:
    """Three views (3, T, size, size) of frames whose short side becomes size / 0.875."""
    clip = shortened(frames, int(size / CENTRE))
    height, width = clip.shape[1:3]
    boxes = three_boxes(height, width, size) if crops == "spread" else [centre_box(height, width, size)] * 3
    return [network_input(planes_of(cropped(clip, box))) for box in boxes]


def finetune_crops(frames: Frames, size: int) -> list[View]:
    """Three views (3, T, size, size) of frames whose short side becomes ``size``, by the bilinear rule without averaging."""
    height, width = frames.shape[1:3]
    short = min(height, width)
    scaled = (size, width * size // short) if height <= width else (height * size // short, size)
    numbers = torch.from_numpy(network_input(planes_of(frames))).movedim(0, 1)
    clip = F.interpolate(numbers, scaled, mode="bilinear", align_corners=False).movedim(1, 0).numpy()
    return [clip[..., box.top : box.top + size, box.left : box.left + size] for box in three_boxes(*scaled, size)]


def three_boxes(height: int, width: int, size: int) -> list[Box]:
    """Squares at the beginning, in the middle and at the end of the long side; of two middles the later one."""
    top, left = (height - size + 1) // 2, (width - size + 1) // 2
    if height > width:
        return [Box(at, left, size, size) for at in (0, top, height - size)]
    return [Box(top, at, size, size) for at in (0, left, width - size)]


def centre_box(height: int, width: int, size: int) -> Box:
    """The square in the middle; of two middles the even offset."""
    return Box(round((height - size) / 2), round((width - size) / 2), size, size)


def shortened(frames: Frames, short: int) -> Frames:
    """Frames (T, H, W, 3) with a short side of ``short``, the other rounded down."""
    height, width = frames.shape[1:3]
    if min(height, width) == short:
        return frames
    return resized(frames, *((short, int(short * width / height)) if height <= width else (int(short * height / width), short)))


def resized(frames: Frames, height: int, width: int) -> Frames:
    """Bilinear, averaging where it shrinks, as Pillow does it: a level may differ by one."""
    pictures = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)  # channels last in memory, which has a fast path
    done = F.interpolate(pictures, (height, width), mode="bilinear", align_corners=False, antialias=True)
    return np.ascontiguousarray(done.permute(0, 2, 3, 1).numpy())


def cropped(frames: Frames, box: Box) -> Frames:
    """The part of every frame in a box."""
    return frames[:, box.top : box.top + box.height, box.left : box.left + box.width]


def padded(frames: Frames, length: int) -> Frames:
    """The first ``length`` frames; of a shorter clip its frames again from the first one on (quirk 8)."""
    return frames[:length] if len(frames) >= length else frames[np.arange(length) % len(frames)]


def network_input(planes: colour.Planes) -> View:
    """uint8 (3, ...) to float32: x/255 - mean, by the deviation of ImageNet."""
    ones = (1,) * (planes.ndim - 1)
    view = planes.astype(np.float32)
    view *= FACTOR.reshape(3, *ones)
    view -= SHIFT.reshape(3, *ones)
    return view


def planes_of(frames: Frames) -> colour.Planes:
    """(T, H, W, 3) to (3, T, H, W)."""
    return np.ascontiguousarray(np.moveaxis(frames, -1, 0))


def kernel(size: int) -> int:
    """Pixels of the blur of a view: about a tenth of it, an odd number."""
    return size // 20 * 2 + 1


def _random(
    clip: Frames, at: At, size: int, area: tuple[float, float], grey: float = 0.0, blur: float = 0.0, sigma: str = "random"
) -> View:
    """Crop, mirror, colours, grey, blur, in this order."""
    seen = resized(cropped(clip, resized_crop(at, clip.shape[1:3], area)), size, size)
    planes = planes_of(seen[:, :, ::-1] if flip(at) else seen)
    uniform = uniforms(at)
    planes = colour.jittered(planes, colour.random_jitter(uniform, picks(at)))
    if uniform(0, 1) < grey:
        planes = np.broadcast_to(colour.grey(planes), planes.shape)
    if uniform(0, 1) < blur:
        planes = colour.blurred(planes, kernel(size), colour.FIXED_SIGMA if sigma == "fixed" else (uniform(*colour.SIGMAS),) * 2)
    return network_input(planes)
