"""From the trees that the authors publish, without a single video: import, distil, evaluate, by the commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.command import kdpipe

pytestmark = pytest.mark.long

CLASSES = {"train": ("Ant", "Bee", "Cat"), "test": ("Dog", "Eel", "Fox")}
CLIPS = [(part, label, f"v_{label}_g{n:02d}_c01") for part, labels in CLASSES.items() for label in labels for n in range(1, 5)]
TINY = {
    "seeds": 1,
    "student.backbone": "small2d",
    "student.weights": "random",
    "student.image_size": 14,
    "student.dim": 8,
    "student.milestones": "[]",
    "student.teacher_head": "random",
    "train.episodes": 4,
    "train.accumulate": 2,
    "train.record_every": 4,
    "train.way": 3,
    "train.shot": 1,
    "train.queries": 1,
    "train.out_dim": 8,
    "evaluate.way": 3,
    "evaluate.shots": "[2]",
    "evaluate.episodes": 20,
}


def lists(root: Path) -> None:
    """The lists of UCF101, and the few-shot ones beside them."""
    folder, own = root / "ucfTrainTestlist", root / "splits" / "ucf_ARN"
    folder.mkdir(parents=True)
    own.mkdir(parents=True)
    names = [label for labels in CLASSES.values() for label in labels]
    (folder / "classInd.txt").write_text("".join(f"{n} {name}\n" for n, name in enumerate(names, 1)))
    for fold in (1, 2, 3):
        trained, tested = ([(label, id) for part, label, id in CLIPS if part == which] for which in CLASSES)
        (folder / f"trainlist0{fold}.txt").write_text("".join(f"{label}/{id}.avi {names.index(label) + 1}\n" for label, id in trained))
        (folder / f"testlist0{fold}.txt").write_text("".join(f"{label}/{id}.avi\n" for label, id in tested))
    for part in CLASSES:
        (own / f"{part}list03.txt").write_text("".join(f"{label}/{id}\n" for one, label, id in CLIPS if one == part))


def trees(root: Path, lost: str) -> list[str]:
    """Pictures of all clips but one, and features of all."""
    for number, (_, label, id) in enumerate(CLIPS):
        chance = np.random.default_rng(number)
        for kind, shape in (("mm_features", (1, 8, 6)), ("rgb_features", (8, 6))):
            (root / kind / label / id).mkdir(parents=True)
            np.save(root / kind / label / id / "feature.npy", chance.random(shape, np.float32))
        if id != lost:
            (root / "rgb_l8" / label / id).mkdir(parents=True)
            for place in range(1, 9):
                picture = chance.integers(0, 256, (16, 20, 3), np.uint8)
                Image.fromarray(picture).save(root / "rgb_l8" / label / id / f"{place:08d}.jpg")
    return [str(root / kind) for kind in ("mm_features", "rgb_features", "rgb_l8")]


def test_the_published_trees_alone_make_distilled_students(tmp_path: Path) -> None:
    root, store, lost = tmp_path / "data", tmp_path / "store", CLIPS[-1][2]
    lists(root)
    here = {"KDPIPE_DATASET": "ucf101", "KDPIPE_SYSTEM": "litemkd", "DATA_ROOT": str(root)}
    settings = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]

    def call(*words: str, **how: Any) -> str:
        return kdpipe(store, *words, **how, **here).stdout

    files = trees(tmp_path / "trees", lost)
    told = kdpipe(store, "import-features", *files, code=1, **here).stderr
    assert "1 of 24" in told and "import-features" in told and "--tolerance FRACTION" in told, told
    told = call("import-features", *files, "--tolerance", "0.1")
    assert "imported mm_features: float32 [24, 8, 6], 24 ok" in told and "imported rgb_l8: uint8 [23, 8], 23 ok, 1 missing" in told
    call("run", "report", *settings)
    nodes = {node["node"]: node for node in json.loads(call("status", *settings, "--json"))}
    assert not [name for name in nodes if name.split(".")[0] in ("expert", "teacher", "dump", "derive")]
    report = call("report", *settings)
    assert "student, distilled from all modalities" in report and "imported" in report and "11 of 12" in report
    assert "imported  from" in call("show", "sample")
    call("import-features", "--undo", "--kind", "mm_features")
    assert "teacher.s0" in call("status", *settings)
