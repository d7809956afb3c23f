"""The depth experts as the stage calls them: frames of many videos in, a map of metres for each out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from cache.errors import ConfigError
from models.experts.depth import DepthExpert
from models.experts.registry import EXPERTS, build
from models.experts.running import Setup
from models.inference.batches import Array, Item
from models.inference.infer import Plan


def videos(height: int, width: int, counts: tuple[int, ...]) -> tuple[list[Item], Callable[[Item], Item]]:
    rng = np.random.default_rng(0)
    items = []
    for number, count in enumerate(counts):
        items.append(Item(str(number), count, [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(count)]))
    return items, lambda job: job


def setup(height: int, width: int, rows: int = 2, lanes: int = 2, **options: Any) -> Setup:
    return Setup(height, width, Plan("cpu", rows, lanes, 1), options=options)


def maps(expert: Any, items: list[Item], load: Any) -> Iterator[Array]:
    for id, depths in expert(items, load):
        assert len(depths) == items[int(id)].count
        yield from depths


@pytest.mark.parametrize("size", [(120, 160), (60, 100), (97, 61)])
def test_small_depth_gives_a_map_of_the_frames_size_for_each_frame(size: tuple[int, int]) -> None:
    items, load = videos(*size, (3, 1, 2))
    depths = list(maps(build("small-depth", setup(*size)), items, load))
    assert [one.shape for one in depths] == [size] * 6 and depths[0].dtype == np.float32
    assert all(one.min() >= 0.49 and one.max() <= 101 for one in depths)


def test_a_frames_depth_does_not_depend_on_its_neighbours_nor_on_the_lanes() -> None:
    items, load = videos(120, 160, (3, 2))
    together = list(maps(build("small-depth", setup(120, 160)), items, load))
    alone = list(maps(build("small-depth", setup(120, 160, lanes=1)), [Item("0", 2, items[1].rows)], load))
    assert np.array_equal(np.stack(together[3:]), np.stack(alone))


def test_another_seed_is_another_random_network_and_another_working_size_another_map() -> None:
    items, load = videos(120, 160, (1,))
    base = next(maps(build("small-depth", setup(120, 160)), items, load))
    other = Setup(120, 160, Plan("cpu", 2, 2, 1), seed=1)
    assert not np.allclose(base, next(maps(build("small-depth", other), items, load)))
    assert not np.allclose(base, next(maps(build("small-depth", setup(120, 160, working=64)), items, load)))


def test_every_depth_expert_is_registered_with_its_weights() -> None:
    names = {name: entry.weights for name, entry in EXPERTS.items() if entry.kind == "depth"}
    assert names == {"adabins-nyu": "nyu", "adabins-kitti": "kitti", "small-depth": "world"}


def test_adabins_refuses_a_working_size_that_it_cannot_see_before_it_is_built() -> None:
    with pytest.raises(ConfigError, match="patches"):
        build("adabins-nyu", setup(256, 256, working=128))


@pytest.mark.long
def test_adabins_sees_depth_in_its_range_and_the_same_mirrored() -> None:
    (item,), load = videos(120, 128, (1,))
    flipped = Item("1", 1, [np.ascontiguousarray(row[:, ::-1]) for row in item.rows])
    expert = build("adabins-nyu", setup(120, 128, working=352, mirror=True))
    assert isinstance(expert, DepthExpert)
    one, other = maps(expert, [item, flipped], load)
    assert one.shape == (120, 128) and one.min() >= 1e-3 and one.max() <= 10
    torch.testing.assert_close(torch.from_numpy(one), torch.from_numpy(other[:, ::-1].copy()), rtol=1e-3, atol=1e-3)
