"""``kdpipe derive`` for real, on a few drawn clips: rows of one expert are never another's, kills lose little, files are found by name."""

from __future__ import annotations

import json
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from media.codings.table import decode
from models.experts.flownet2_models import FlowNet2S
from tests import warm
from tests.command import PROJECT, kdpipe, variables
from tests.media.conftest import write_video

pytestmark = pytest.mark.long

SETTINGS = ("sample.num_frames=2", "derive.flow.coding=float", "derive.depth.coding=float", "derive.flow.expert=dis")


class Home:
    """A directory of clips and a store."""

    def __init__(self, base: Path) -> None:
        self.clips, self.store = base / "clips", base / "store"
        self.clips.mkdir()
        for number in range(3):
            self.add(number)

    def add(self, number: int) -> None:
        """One more clip, unlike the others."""
        write_video(self.clips / f"clip{number}.avi", 12 + number, codec="mpeg4")

    def words(self, *words: str, kind: str = "flow", **settings: Any) -> list[str]:
        """A command and its options."""
        own = [f"derive.{kind}.{key}={value}" for key, value in settings.items()]
        typed = [word for one in (f"graph.modalities=[{kind}]", *SETTINGS, *own) if _counts(one, kind) for word in ("--set", one)]
        return [*words, "--system", "litemkd", "--dataset", "folder", "--data-root", str(self.clips), *typed]

    def run(self, kind: str = "flow", **settings: Any) -> dict[str, np.ndarray]:
        """Derive; id -> the products of a video."""
        kdpipe(self.store, *self.words("run", f"derive.{kind}", kind=kind, **settings))
        return self.products(kind, **settings)

    def products(self, kind: str, **settings: Any) -> dict[str, np.ndarray]:
        record = json.loads(kdpipe(self.store, *self.words("show", f"derive.{kind}", "--json", kind=kind, **settings)).stdout)
        files = Path(record["files"])
        about = json.loads((files / "derived.json").read_text())
        items = self.items(record)
        found = {}
        for line in (files / "frames.jsonl").read_text().splitlines():
            row = json.loads(line)
            item = items.get(row["source"])
            assert item is not None and item.digest == row["frames"]
            opened = decode(kind, about["coding"], about["options"], item.payload)
            found[row["id"]] = np.stack([opened.product(int(number)) for number in opened.numbers])
        return found

    def items(self, record: dict[str, Any]) -> Any:
        """The item set behind a record."""
        from cache.store import Store

        store = Store(self.store)
        return store.item_set("derive", record["items"])

    def rows(self) -> int:
        """Rows of all item sets of derive."""
        from cache.items import ItemSet

        return sum(len(ItemSet(folder, writable=False)) for folder in (self.store / "items" / "derive").iterdir())


def _counts(setting: str, kind: str) -> bool:
    return not setting.startswith("derive.") or setting.startswith(f"derive.{kind}.")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_experts_and_weights_have_rows_of_their_own_and_none_is_computed_twice(home: Home) -> None:
    settings: list[dict[str, Any]] = [{"expert": "dis"}, {"expert": "farneback"}, {"expert": "dis", "refine": 5}, {"expert": "small-flow"}]
    made = [home.run(**one) for one in settings]
    assert home.rows() == 12
    for one, other in combinations(range(4), 2):
        assert all(not np.array_equal(made[one][id], made[other][id]) for id in made[one])
    again = [home.run(**one) for one in settings]
    assert home.rows() == 12
    for one, other in zip(made, again, strict=True):
        assert one.keys() == other.keys() and all(np.array_equal(one[id], other[id]) for id in one)

    depths = [
        home.run("depth", expert="small-depth", **one) for one in ({}, {"weights": "random"}, {"weights": "random", "random_seed": 1})
    ]
    assert home.rows() == 21
    assert all(len({depth[id].tobytes() for depth in depths}) == 3 for id in depths[0])


def test_one_more_video_computes_one(home: Home) -> None:
    home.run()
    home.add(7)
    assert sorted(home.run()) == ["clip0", "clip1", "clip2", "clip7"] and home.rows() == 4


def test_a_published_file_is_used_by_its_name_once_it_is_imported_and_another_file_of_that_name_is_other_weights(
    home: Home, tmp_path: Path
) -> None:
    missing = kdpipe(home.store, *home.words("run", "derive.flow", expert="flownet2-s"), code=1).stderr
    assert "flownet2-s.published is not shipped" in missing and "kdpipe weights import FlowNet2-S_checkpoint.pth.tar" in missing
    found = []
    for seed in (0, 1):
        file = tmp_path / f"{seed}" / "FlowNet2-S_checkpoint.pth.tar"
        file.parent.mkdir()
        torch.manual_seed(seed)
        torch.save({"epoch": 0, "state_dict": FlowNet2S().state_dict(), "best_EPE": 1e10}, file, _use_new_zipfile_serialization=False)
        told = json.loads(kdpipe(home.store, "weights", "check", str(file), "--json").stdout)
        assert (told["backbone"], told["known"], told["because"]) == ("flownet2-s", "flownet2-s.published", "name")
        kdpipe(home.store, "weights", "import", str(file), "--force")
        file.unlink()
        found.append(home.run(expert="flownet2-s"))
    assert home.rows() == 6 and all(not np.array_equal(found[0][id], found[1][id]) for id in found[0])


def test_a_run_that_is_killed_at_any_moment_goes_on_to_the_same_result(home: Home, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Home(tmp_path / "other")
    settings: dict[str, Any] = {"expert": "tvl1"}
    whole = other.run(**settings)
    kdpipe(home.store, *home.words("run", "sample", **settings))
    for wait in (0.2, 0.6, 1.0, 1.5):  # the libraries are loaded: it is killed at work
        process = warm.start("pipeline", *home.words("run", "derive.flow", **settings), cwd=PROJECT, env=variables(home.store))
        time.sleep(wait)
        process.kill()
        process.wait()
        process.close()
    assert_equal(home.run(**settings), whole)
    assert kdpipe(home.store, "fsck", "--all").returncode == 0


def assert_equal(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys() and all(np.array_equal(one[id], other[id]) for id in one)
