"""The shipped network that sees depth: what the table says of it, and how good it is on drawings that it never saw."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from models.backbones.inputs import network_input
from models.backbones.published import load_into, read_state
from models.experts.depth_quality import depth_errors
from models.experts.small_depth import SmallDepth
from models.published import find
from stages.derive.pretraining.drawn import FIRST_SEED, frames
from world.dense import depth

ENTRY = find("small-depth", "world")


@pytest.fixture(scope="module")
def net() -> SmallDepth:
    net = SmallDepth()
    load_into(net, read_state(ENTRY.path), ENTRY.file)
    return net.eval()


def test_the_shipped_file_is_the_tables_and_small() -> None:
    data = (ENTRY.path).read_bytes()
    assert hashlib.sha256(data).hexdigest() == ENTRY.sha256
    assert len(data) < 5_000_000


def test_it_is_far_better_than_one_depth_everywhere_on_drawings_it_never_saw(net: SmallDepth) -> None:
    ours, constant = [], []
    for film, number, picture in frames(seed=3000, videos=24, each=1):
        truth = depth(film, number)
        with torch.inference_mode():
            seen = net(torch.from_numpy(network_input(picture[None], "symmetric")))[0].numpy()
        ours.append(depth_errors(truth, seen)["abs_rel"])
        constant.append(depth_errors(truth, np.full_like(truth, 6.0))["abs_rel"])
    assert np.mean(ours) < 0.4 * np.mean(constant)


def test_seeds_of_demos_are_refused_for_training() -> None:
    with pytest.raises(ValueError, match="seed 999 may be that of a demo's world"):
        next(frames(FIRST_SEED - 1, 1, 1))
