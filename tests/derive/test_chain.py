"""What is derived is read as sampled frames are: features of flow come from flow that was derived."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cache.hdf5 import FeatureReader
from cache.items import ItemSet
from cache.ledger import Ledger
from cache.stage import Context, Quiet
from models.backbones.registry import BACKBONES, Backbone
from stages.derive.run import run
from stages.extract import ExtractParams
from stages.extract.loader import load_clips
from stages.extract.run import run as extract
from tests.derive.conftest import payload


def test_flow_of_eight_bits_is_what_a_flow_network_looks_at(sampled, context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sampled({"a": payload([1, 2, 3, 4], size=(32, 32)), "b": payload([5, 6, 7, 8], size=(32, 32))})
    flow = context("flow", coding="xy", codec="png", pairs="next-sample")
    run(flow)
    rows = [json.loads(line) for line in (flow.out / "frames.jsonl").read_text().splitlines()]
    clips = load_clips(flow.items, rows[0]["source"], rows[0]["frames"], 32, channels=2)
    codes = [[round(255 * (value + 20) / 40) for value in pair] for pair in ((1, 2), (2, 3), (3, 4), (3, 4))]
    assert clips.frames.shape == (4, 32, 32, 2) and clips.frames[:, 0, 0].tolist() == codes

    tiny = Backbone("tiny_flow", "small3d:small3d", "flow", 128, 32, 4, {"channels": 2}, channels=2)
    monkeypatch.setitem(BACKBONES, "tiny_flow", tiny)
    monkeypatch.setattr("models.backbones.small3d.small3d", _of_two_channels)
    out = tmp_path / "features"
    out.mkdir()
    inputs = {"index": tmp_path / "index", "sample": flow.out}
    ctx = Context(
        params=ExtractParams(kind="flow", backbone="tiny_flow", weights="random"),
        out=out,
        scratch=tmp_path,
        ledger=Ledger(),
        progress=Quiet,
        inputs=inputs,
        input_items={"sample": flow.items},
        items=ItemSet(tmp_path / "features.items"),
    )
    extract(ctx)
    with FeatureReader(out / "toys_flow_feat.h5", "flow_features") as reader:
        assert reader.ids == ["a", "b"] and reader.shape == (1, 128)
        assert np.isfinite(reader.all()).all() and not np.array_equal(reader.row("a"), reader.row("b"))


def _of_two_channels(**options: int) -> object:
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv3d(options["channels"], 128, 3, padding=1)

        def forward_features(self, x):
            return self.conv(x)

        def pool(self, x):
            return x.mean((2, 3, 4))

        def feature(self, x):
            return self.pool(self.forward_features(x))

    return Net()
