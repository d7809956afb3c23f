"""Fine-tuning's views: the fifteen operations do what their names say, alike in every frame, as strongly as published."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from models.training.crops import At, picks, uniforms
from systems.xkd import finetune_views
from systems.xkd.randaugment import OPERATIONS, Step, applied, randaugment, random_steps, step


def noise(frames: int = 3, height: int = 40, width: int = 60) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("name", "magnitude", "argument"),
    [
        ("Rotate", 7, 21.0),
        ("ShearX", 7, 0.21),
        ("TranslateYRel", 10, 0.45),
        ("ColorIncreasing", 7, 0.63),
        ("PosterizeIncreasing", 7, 2),
        ("PosterizeIncreasing", 2.4, 4),
        ("SolarizeIncreasing", 7, 77),
        ("SolarizeAdd", 7, 77),
        ("Invert", 7, 0.0),
    ],
)
def test_arguments_grow_with_the_magnitude_as_published(name: str, magnitude: float, argument: float) -> None:
    assert step(name, magnitude).argument == pytest.approx(argument)
    assert step(name, magnitude, negative=True).argument == pytest.approx(-argument if OPERATIONS[name].signed else argument)


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "Equalize"])  # noise has an even histogram as it is
def test_every_operation_changes_all_frames_alike(name: str) -> None:
    same = np.repeat(noise(1) // 2 + 20, 3, axis=0)
    changed = applied(same, [step(name, 7.0)])
    assert changed.shape == same.shape and not np.array_equal(changed, same)
    assert np.array_equal(changed[0], changed[1]) and np.array_equal(changed[0], changed[2])


def test_levels_and_places_after_some_operations() -> None:
    frames = noise()
    assert np.array_equal(applied(frames, [Step("Invert", 0.0)]), 255 - frames)
    assert np.array_equal(
        applied(frames, [Step("SolarizeAdd", 77)]), np.where(frames < 128, np.minimum(255, frames.astype(int) + 77), frames)
    )
    assert np.array_equal(applied(frames, [Step("PosterizeIncreasing", 2)]), frames & 0b11000000)
    assert np.array_equal(applied(frames, [Step("SolarizeIncreasing", 77)]), np.where(frames < 77, frames, 255 - frames))
    moved = applied(frames, [Step("TranslateXRel", 0.25)])
    assert np.array_equal(moved[:, :, :45], frames[:, :, 15:]) and (moved[:, :, 46:] == 128).all()
    spread = applied(frames // 4, [Step("Equalize", 0.0)])
    assert spread.max() == 255 and spread.min() == 0


def test_every_operation_is_drawn_about_as_often_and_half_are_applied() -> None:
    drawn = Counter(one.name for index in range(1500) for one in random_steps(uniforms(At(0, 0, index)), picks(At(0, 0, index))))
    assert set(drawn) == set(OPERATIONS)
    assert 2800 < sum(drawn.values()) < 3200  # of 6000
    assert all(150 < count < 250 for count in drawn.values())
    degrees = [
        abs(one.argument) / 3
        for index in range(1500)
        for one in random_steps(uniforms(At(1, 0, index)), picks(At(1, 0, index)))
        if one.name == "Rotate"
    ]
    assert abs(np.mean(degrees) - 7.0) < 0.2 and 0.35 < np.std(degrees) < 0.65


def test_a_view_is_the_same_at_the_same_place_of_a_training_and_another_elsewhere() -> None:
    frames, at = noise(8), At(3, 1, 4)
    one = finetune_views.finetune_view(frames, at, 8, 32)
    assert one.shape == (3, 8, 32, 32) and one.dtype == np.float32
    assert np.array_equal(one, finetune_views.finetune_view(frames, at, 8, 32))
    for other in (at._replace(seed=4), at._replace(epoch=2), at._replace(index=5), at._replace(view=1)):
        assert not np.array_equal(one, finetune_views.finetune_view(frames, other, 8, 32))
    assert randaugment(frames, at).shape == frames.shape


def test_a_quarter_of_the_views_has_a_box_of_noise() -> None:
    view = np.full((3, 2, 40, 40), 9.0, np.float32)
    count = 0
    for index in range(200):
        changed = finetune_views.erased(view, At(0, 0, index)) != 9.0
        if not changed.any():
            continue
        count += 1
        rows, columns = (np.flatnonzero(changed[0, 0].any(axis=axis)) for axis in (1, 0))
        box = changed[:, :, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert box.all() and changed.sum() == box.size and 0.01 < box[0, 0].size / 1600 < 0.36
    assert 25 <= count <= 76  # 50 of 200, four deviations
    noise_ = finetune_views.erased(view, next(At(0, 0, i) for i in range(99) if (finetune_views.erased(view, At(0, 0, i)) != 9.0).any()))
    assert not np.array_equal(noise_[:, 0], noise_[:, 1])
