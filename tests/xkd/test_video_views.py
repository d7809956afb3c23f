"""What a network sees of a clip: Pillow's levels, the same for the same place of a training, quirks where they are asked for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageFilter

from models.training.crops import At, picks, uniforms
from models.weights import IMAGENET_MEAN, IMAGENET_STD
from systems.xkd import colour, video_views
from systems.xkd.sizes import ViewSizes

SMALL = ViewSizes(frames=8, size=32, local_frames=2, local_size=24)
AT = At(3, 1, 4)


def noise(frames: int = 3, height: int = 40, width: int = 52, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


def turned(picture: Image.Image, shift: float) -> Image.Image:
    """Hue by the bytes of Pillow, as torchvision turns it."""
    hue, saturation, value = picture.convert("HSV").split()
    moved = Image.fromarray(np.asarray(hue) + np.uint8(int(shift * 255) % 256))
    return Image.merge("HSV", (moved, saturation, value)).convert("RGB")


CHANGES: dict[str, tuple[Callable[..., np.ndarray], Callable[..., Image.Image]]] = {
    "brightness": (colour.brightened, lambda picture, by: ImageEnhance.Brightness(picture).enhance(by)),
    "contrast": (colour.contrasted, lambda picture, by: ImageEnhance.Contrast(picture).enhance(by)),
    "saturation": (colour.saturated, lambda picture, by: ImageEnhance.Color(picture).enhance(by)),
    "hue": (lambda planes, by: colour.hue_shifted(planes, by - 1), lambda picture, by: turned(picture, by - 1)),
}


@pytest.mark.parametrize("by", [0.6, 0.8, 0.93, 1.0, 1.2, 1.4])
@pytest.mark.parametrize("name", CHANGES)
def test_colours_are_those_of_pillow_bit_for_bit(name: str, by: float) -> None:
    ours, theirs = CHANGES[name]
    frames = noise(4, 120, 160)
    frames[1, :, :, 1] = frames[1, :, :, 0]  # two channels alike, then three
    frames[2, :, :, :] = frames[2, :, :, :1]
    expected = np.stack([np.asarray(theirs(Image.fromarray(frame), by)) for frame in frames])
    assert np.array_equal(np.moveaxis(ours(video_views.planes_of(frames), by), 0, -1), expected)


def test_every_order_of_the_jitter_is_drawn_and_counts() -> None:
    planes = video_views.planes_of(noise())
    orders = {colour.random_jitter(uniforms(at), picks(at)).order for at in (At(0, 0, index) for index in range(500))}
    assert len(orders) == 24
    first, second = (colour.Jitter(1.3, 0.7, 1.3, 0.1, order) for order in ((0, 1, 2, 3), (3, 2, 1, 0)))
    assert (colour.jittered(planes, first) != colour.jittered(planes, second)).mean() > 0.1
    one = colour.hue_shifted(colour.saturated(colour.contrasted(colour.brightened(planes, 1.3), 0.7), 1.3), 0.1)
    assert np.array_equal(colour.jittered(planes, first), one)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_the_jitter_is_as_strong_as_published(index: int) -> None:
    at = At(0, 0, index)
    jitter = colour.random_jitter(uniforms(at), picks(at))
    assert all(0.6 <= factor <= 1.4 for factor in jitter[:3]) and abs(jitter.hue) <= 0.2


@pytest.mark.parametrize("box", [(30, 17), (112, 149), (20, 80)])
def test_resized_frames_are_those_of_pillow_but_for_a_level(box: tuple[int, int]) -> None:
    frames = noise(2, 90, 120)
    expected = [np.asarray(Image.fromarray(frame).resize(box[::-1], Image.Resampling.BILINEAR)) for frame in frames]
    assert np.abs(video_views.resized(frames, *box).astype(int) - np.stack(expected)).max() <= 1


def test_the_blur_is_a_gaussian() -> None:
    """Against Pillow's, which is made of boxes: a few levels apart on a smooth picture."""
    smooth = np.asarray(Image.fromarray(noise(1, 12, 16)[0]).resize((160, 120), Image.Resampling.BICUBIC))
    blurred = np.moveaxis(colour.blurred(video_views.planes_of(smooth[None]), 21, (2.0, 2.0)), 0, -1)[0]
    expected = np.asarray(Image.fromarray(smooth).filter(ImageFilter.GaussianBlur(2.0)))
    assert np.abs(blurred.astype(int) - expected)[10:-10, 10:-10].max() <= 3
    assert np.abs(blurred.astype(int) - smooth).max() > 5


def test_the_fixed_blur_leaves_rows_sharp_and_the_random_one_does_not() -> None:
    planes = np.zeros((3, 1, 21, 21), np.uint8)
    planes[:, :, 10, 10] = 255
    down = colour.blurred(planes, 9, colour.FIXED_SIGMA)
    assert not down[0, 0, 10, 11:].any() and down[0, 0, 11, 10] > 0
    views = [{blur: video_views.local_view(noise(8), At(0, 0, index), SMALL, blur) for blur in ("random", "fixed")} for index in range(20)]
    differing = sum(not np.array_equal(view["random"], view["fixed"]) for view in views)
    assert 3 <= differing <= 17  # half of all


def test_a_view_is_the_same_at_the_same_place_of_a_training_and_another_elsewhere() -> None:
    frames = noise(8)
    for make in (video_views.global_view, video_views.local_view, video_views.svm_train_view):
        one = make(frames, AT, SMALL)
        assert np.array_equal(one, make(frames, AT, SMALL)) and one.dtype == np.float32
        for other in (AT._replace(seed=4), AT._replace(epoch=2), AT._replace(index=5), AT._replace(view=1)):
            assert not np.array_equal(one, make(frames, other, SMALL))


def test_shapes_are_those_of_the_sizes() -> None:
    frames = noise(8)
    assert video_views.global_view(frames, AT, SMALL).shape == (3, 8, 32, 32)
    assert video_views.local_view(frames, AT, SMALL).shape == (3, 2, 24, 24)
    assert video_views.svm_train_view(frames, AT, SMALL).shape == (3, 8, 32, 32)
    assert video_views.base(frames, SMALL).shape == (8, 32, 41, 3)
    assert video_views.test_view(noise(20), SMALL, clips=2).shape == (6, 3, 8, 32, 32)


def levels(view: np.ndarray) -> np.ndarray:
    """A view (3, ...) back in 0..255."""
    mean, deviation = (np.array(three).reshape(3, 1, 1, 1) for three in (IMAGENET_MEAN, IMAGENET_STD))
    return np.rint((view * deviation + mean) * 255)


def test_a_local_view_is_grey_as_often_as_published_and_a_global_one_never() -> None:
    frames = noise(8)
    places = [At(1, 0, index) for index in range(200)]
    grey = sum(not np.ptp(levels(video_views.local_view(frames, at, SMALL)), axis=0).any() for at in places)
    assert 12 <= grey <= 68  # 40 of 200, five deviations
    assert all(np.ptp(levels(video_views.global_view(frames, at, SMALL)), axis=0).any() for at in places[:50])


def test_a_clip_that_is_too_short_begins_again() -> None:
    frames = noise(3)
    assert np.array_equal(video_views.padded(frames, 8), frames[[0, 1, 2, 0, 1, 2, 0, 1]])
    assert video_views.global_view(frames, AT, SMALL).shape == (3, 8, 32, 32)


@pytest.mark.parametrize("size", [(40, 60), (60, 40)])
def test_three_crops_of_a_test_are_of_three_places_or_of_one(size: tuple[int, int]) -> None:
    frames = noise(8, *size)
    spread = video_views.test_view(frames, SMALL, clips=1)
    same = video_views.test_view(frames, SMALL, clips=1, crops="same")
    assert all(np.array_equal(same[0], other) for other in same[1:])
    assert not any(np.array_equal(spread[one], spread[other]) for one, other in ((0, 1), (1, 2), (0, 2)))
    whole = video_views.shortened(frames, int(32 / 0.875))
    first = video_views.network_input(video_views.planes_of(whole[:, 2:34, :32] if size[0] < size[1] else whole[:, :32, 2:34]))
    assert np.array_equal(spread[0], first)


def test_windows_of_a_test_lie_evenly_and_come_clip_by_clip() -> None:
    frames = noise(20)
    three = video_views.test_view(frames, SMALL, clips=3, protocol="finetune")
    for clip, first in enumerate((0, 6, 12)):
        alone = video_views.test_view(frames[first : first + 8], SMALL, clips=1, protocol="finetune")
        assert np.allclose(three[3 * clip : 3 * clip + 3], alone, atol=1e-5)
