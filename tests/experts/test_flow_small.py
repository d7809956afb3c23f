"""The shipped network that sees flow: what the table says of it, how good it is on drawings that it never saw; and how it is trained."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from models.experts import registry
from models.experts.running import Setup
from models.experts.small_flow import compared, enlarged
from models.inference.batches import Array, Item
from models.inference.infer import Plan
from models.published import find
from stages.derive.pretraining import flow as training
from stages.derive.pretraining.flow_data import PART, Pairs, changed, draw_pairs, textured

ENTRY = find("small-flow", "world")


def flows(pairs: list[Array], rows: int = 4) -> list[Array]:
    """What the expert with its shipped weights says of pairs (2, H, W, 3), ``rows`` at a time."""
    built = registry.build("small-flow", Setup(*pairs[0].shape[1:3], Plan("cpu", rows, 2, 1), weights=ENTRY.path))
    ((_, products),) = built([0], lambda n: Item("0", len(pairs), iter(pairs)))
    return products


@pytest.fixture(scope="module")
def unseen() -> Pairs:
    return draw_pairs(seed=3000, films=16, each=1)


def test_the_shipped_file_is_the_tables_and_small() -> None:
    data = ENTRY.path.read_bytes()
    assert hashlib.sha256(data).hexdigest() == ENTRY.sha256
    assert len(data) < 5_000_000


def test_it_is_nearer_to_the_truth_than_no_motion_on_drawings_it_never_saw(unseen: Pairs) -> None:
    found = np.stack(flows(list(unseen.frames)))
    truth = unseen.flow.astype(np.float32)
    assert np.linalg.norm(found - truth, axis=-1).mean() < 0.8 * np.linalg.norm(truth, axis=-1).mean()


@pytest.mark.parametrize(("x", "y"), [(3, -2), (-5, 4)])
def test_it_finds_how_far_a_textured_picture_has_moved(x: int, y: int) -> None:
    coarse = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    wide = np.asarray(Image.fromarray(coarse).resize((200, 160), Image.Resampling.BICUBIC))
    pair = np.stack([wide[20:116, 20:148], wide[20 - y : 116 - y, 20 - x : 148 - x]])
    (flow,) = flows([pair])
    inside = flow[8:-8, 8:-8]
    assert np.linalg.norm(inside - np.float32([x, y]), axis=-1).mean() < 0.35


def test_pairs_of_any_size_are_seen_alike_alone_and_in_batches(unseen: Pairs) -> None:
    pairs = [frames[:, :61, :83] for frames in unseen.frames[:5]]
    together = flows(pairs)
    assert all(flow.shape == (61, 83, 2) for flow in together)
    for pair, flow in zip(pairs, together, strict=True):
        assert np.allclose(flows([pair], rows=1)[0], flow, atol=1e-3)


def test_matches_are_products_with_displaced_features() -> None:
    first, second = torch.rand(2, 2, 5, 6, 7).unbind()
    found = compared(first, second, 2)
    assert found.shape == (2, 25, 6, 7)
    moved = first[:, :, 1:, :-2] * second[:, :, :-1, 2:]  # (x, y) = (2, -1)
    assert torch.allclose(found[:, 5 * 1 + 4, 1:, :-2], moved.mean(1))


def test_a_flow_that_is_the_same_everywhere_stays_so_when_it_is_enlarged() -> None:
    flow = torch.tensor([1.5, -2.0]).reshape(1, 2, 1, 1).expand(1, 2, 3, 4)
    assert torch.allclose(enlarged(flow, torch.randn(1, 36, 3, 4)), 2 * flow[:, :, :1, :1].expand(1, 2, 6, 8))


def test_a_pair_changed_for_training_keeps_its_flow_true() -> None:
    """A ramp of grey that moves by its flow: looked up where the flow points to, the second frame is as the first."""
    ramp = np.tile(np.linspace(0, 200, 160, dtype=np.float32)[None, :, None], (120, 1, 3))
    step = np.float32(200 / 159)
    frames = np.stack([ramp, ramp - 3 * step]).round().astype(np.uint8)  # moved by 3 pixels to the right
    flow = np.zeros((120, 160, 2), np.float16)
    flow[..., 0] = 3
    for seed in range(8):
        pictures, truth = changed(frames, flow, np.random.default_rng(seed))
        assert pictures.shape == (1, 2, 3, *PART) and truth.shape == (1, 2, *PART)
        slope = torch.gradient(pictures[0, 0], dim=2)[0].mean()
        inside = slice(8, -8)
        change = (pictures[0, 1] - pictures[0, 0])[:, inside, inside].mean()
        assert float(-change / slope) == pytest.approx(float(truth[:, 0].mean()), rel=0.1)


def test_moving_textures_are_found_where_their_flow_says() -> None:
    """The second frame, looked up where the flow points to, is the first; not so along the edge of what moves before it."""
    for seed in range(12):
        frames, flow = textured(np.random.default_rng(seed))
        assert frames.shape == (2, 3, *PART) and flow.shape == (1, 2, *PART)
        y, x = torch.meshgrid(torch.arange(PART[0]), torch.arange(PART[1]), indexing="ij")
        sides = torch.tensor([PART[1] - 1, PART[0] - 1]).reshape(2, 1, 1)
        where = (2 * (torch.stack([x, y]) + flow[0]) / sides - 1).permute(1, 2, 0)[None]
        found = F.grid_sample(frames[1:], where, align_corners=True)
        inside = slice(12, -12)
        wrong, still = ((each - frames[:1]).abs()[..., inside, inside].median() for each in (found, frames[1:]))
        assert wrong < 6 and wrong < 0.3 * still


def test_seeds_of_demos_are_refused_for_training() -> None:
    with pytest.raises(ValueError, match="seed 999 may be that of a demo's world"):
        draw_pairs(999, 1, 1)


def test_a_stopped_training_goes_on_where_it_was(unseen: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "EVERY", 1)
    monkeypatch.setattr(training, "measure", lambda net, test: {})
    parser = argparse.ArgumentParser()
    training.add_options(parser)
    options: Any = parser.parse_args(["--steps", "3", "--batch", "1"])
    options.seed, options.out = 0, tmp_path / "whole"
    options.out.mkdir()
    whole = training.train(unseen, unseen, options).state_dict()
    options.out = tmp_path
    drawn = training.sample

    def stop(pairs: Pairs, seeds: Any) -> Any:
        if (tmp_path / "small-flow_checkpoint.pt").exists():
            raise KeyboardInterrupt
        return drawn(pairs, seeds)

    with monkeypatch.context() as until, pytest.raises(KeyboardInterrupt):
        until.setattr(training, "sample", stop)
        training.train(unseen, unseen, options)
    after = training.train(unseen, unseen, options).state_dict()
    assert all(torch.equal(value, after[name]) for name, value in whole.items())
