"""Classes of files that are seen, heard or both: those of the evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cache.errors import DataError
from cache.items import ItemSet
from cache.stage import Context
from models.prediction import Asked, Made
from systems.xkd import encode, linear_svm, metrics, tune
from systems.xkd.params import EncodeParams, FinetuneParams, LinearParams, SvmParams
from systems.xkd.predictor import load_svm, load_tuned
from tests.xkd.bench import CLASSES, Bench, make_bench, write_index

FEATURES = EncodeParams(train_clips=2, test_clips=2)
TUNE: dict[str, Any] = {"epochs": 1, "batch_size": 4, "warmup_epochs": 0, "test_clips": 2, "seed": 1}
INPUTS = {"video": ("frames",), "audio": ("sound",), "both": ("frames", "sound")}
TESTED = [f"{label}{number}" for label in CLASSES for number in (3, 4)]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Recordings that are only read."""
    return make_bench(tmp_path_factory.mktemp("asked"), train=3, test=2)


@pytest.fixture(scope="module")
def full(bench: Bench) -> Context:
    """Pre-trained encoders."""
    return bench.pretrain()


@pytest.fixture(scope="module")
def features(bench: Bench, full: Context) -> Context:
    """Their features."""
    return bench.run(encode.run, FEATURES, "encode.full", {"pretrain": full.out})


def made_of(bench: Bench, ids: Sequence[str], inputs: Sequence[str], prefix: str = "") -> Made:
    """What the samples are for files of these names."""
    items = {f"{prefix}{alias}": ItemSet(bench.root / alias / "items", writable=False) for alias in inputs}
    return Made(ids, {f"{prefix}{alias}": bench.root / alias for alias in inputs}, items)


@pytest.mark.parametrize("standardise", [False, True])
@pytest.mark.parametrize("modality", INPUTS)
def test_an_svm_says_what_it_said_of_the_test_files(
    bench: Bench, full: Context, features: Context, modality: str, standardise: bool
) -> None:
    """The same class; decision values to rounding, since the solver's library multiplies all files at once."""
    pytest.importorskip("sklearn")
    params = SvmParams(selection="fixed", standardise=standardise)
    svm = bench.run(linear_svm.run, params, f"svm.{standardise}", {"features": features.out})
    asked = Asked(svm.out, {"features.pretrain": full.out}, params={"features": FEATURES}, modality=modality)
    said = dict(load_svm(asked).answers(made_of(bench, TESTED, INPUTS[modality], "features."), None))
    with np.load(svm.out / "answers.npz") as file:
        theirs = dict(zip(file["ids"].tolist(), (CLASSES[number] for number in file[modality].tolist()), strict=True))
    assert {id: answer.choices[0].name for id, answer in said.items()} == theirs and len(theirs) == 6
    train, test, ids = linear_svm.material(bench.root / "index", features.out, modality)
    decisions = linear_svm.chosen(params, train, test)[0].decisions
    for id, row in zip(ids, decisions, strict=True):
        own = {choice.name: choice.score for choice in said[id].choices}
        np.testing.assert_allclose([own[name] for name in CLASSES], row, rtol=1e-5, atol=1e-6)
        assert all(choice.probability is None for choice in said[id].choices)


@pytest.mark.parametrize("modality", ["video", "audio"])
@pytest.mark.parametrize("frozen", [True, False])
def test_a_head_says_of_test_files_what_it_was_scored_for(
    bench: Bench, full: Context, modality: str, frozen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bit, for a network of another size too."""
    stage, record = (tune.linear, LinearParams) if frozen else (tune.finetune, FinetuneParams)
    params = record(modality=modality, size=24 if modality == "video" else 0, **TUNE)
    theirs, ids, said = scored_and_said(bench, full, stage, params, monkeypatch)
    wanted = metrics.over_clips(theirs)
    assert len(ids) == 6 and len(np.unique(wanted)) > 6
    for id, row in zip(ids, wanted.tolist(), strict=True):
        assert {choice.name: choice.probability for choice in said[id].choices} == dict(zip(CLASSES, row, strict=True))
        assert said[id].what == "classes"


def test_where_files_have_several_classes_each_has_a_probability_of_its_own(
    tmp_path: Path, full: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench(tmp_path, train=3, test=2)
    bench.videos |= {id: (split, (*labels, "cat")) for id, (split, labels) in bench.videos.items() if labels == ("ant",)}
    write_index(bench)
    theirs, ids, said = scored_and_said(bench, full, tune.linear, LinearParams(modality="audio", **TUNE), monkeypatch)
    for id, logits in zip(ids, theirs.astype(np.float64), strict=True):
        wanted = (1 / (1 + np.exp(-logits))).mean(0)
        own = {choice.name: choice.probability for choice in said[id].choices}
        np.testing.assert_allclose([own[name] for name in CLASSES], wanted, rtol=1e-12)
        assert said[id].what == "labels" and sum(wanted) != pytest.approx(1, abs=1e-3)


def scored_and_said(
    bench: Bench, full: Context, stage: Any, params: Any, monkeypatch: pytest.MonkeyPatch
) -> tuple[np.ndarray[Any, Any], list[str], dict[str, Any]]:
    """Logits of the test files as the stage has them, the ids of these files, and what is said of them as files."""
    seen: list[Any] = []
    measured = tune.measured
    monkeypatch.setattr(
        tune, "measured", lambda logits, split, ids, **more: seen.append((logits, ids)) or measured(logits, split, ids, **more)
    )
    made = bench.run(stage, params, f"tuned.{params.modality}.{stage.__name__}", {"pretrain": full.out})
    ((logits, ids),) = seen
    asked = Asked(made.out, {"pretrain": full.out, "index": bench.root / "index"}, params={"": params})
    return logits, ids, dict(load_tuned(asked).answers(made_of(bench, ids, INPUTS[params.modality]), None))


def test_a_result_without_its_svm_says_how_to_make_it_again(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="before SVMs were kept"):
        linear_svm.read_svms(tmp_path)
