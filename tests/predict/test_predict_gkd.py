"""Classes of clips and segments of videos as files: what the evaluation says of them, to the bit."""

from __future__ import annotations

import json

import pytest

from cache.errors import ConfigError
from cache.items import ItemSet
from cache.stage import Context
from models.prediction import Asked, Made
from systems.gkd.compared import BOTH
from systems.gkd.detection.params import EvaluateParams
from tests.gkd import detection_bench, recognition_bench

#: network -> what it sees
NETWORKS = {"student.alone": "rgb", "student.alone.flow": "flow"}


@pytest.fixture(scope="module")
def recognised(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Context], Context]:
    """A network of RGB and one of flow, and their evaluation."""
    bench = recognition_bench.make_bench(tmp_path_factory.mktemp("recognise"), test=4)
    made = {name: bench.student(modality=modality, name=name, epochs=1) for name, modality in NETWORKS.items()}
    return made, bench.evaluate(made)


def predicted(evaluated: Context, model: str) -> dict[str, str]:
    """Clip -> the class that the evaluation says a network gives it."""
    rows = [json.loads(line) for line in (evaluated.out / "predictions.jsonl").read_text().splitlines()]
    return {row["item"]: row["prediction"] for row in rows if row["model"] == model}


@pytest.mark.parametrize("name", NETWORKS)
def test_classes_are_those_of_the_evaluation(name: str, recognised: tuple[dict[str, Context], Context]) -> None:
    """The first is what it predicts, and all are as probable as its logits say, to the bit."""
    from systems.gkd.recognition.evaluate import logits_of, sources_of
    from systems.gkd.recognition.predictor import load
    from systems.gkd.recognition.trained import read
    from systems.gkd.recognition.videos import listed

    made, evaluated = recognised[0][name], recognised[1]
    modality, theirs = NETWORKS[name], predicted(evaluated, name)
    pictures = evaluated.inputs["frames" if modality == "rgb" else "flow"]
    files = Made(list(theirs), {"frames": pictures}, {"frames": ItemSet(pictures / "items", writable=False)})
    said = dict(load(Asked(made.out)).answers(files, None))
    assert len(theirs) == 12 and {id: answer.choices[0].name for id, answer in said.items()} == theirs
    split = listed(evaluated.inputs["index"], "1/test")
    sources = sources_of(evaluated, {modality})
    probabilities = logits_of(evaluated, read(made.out), sources[modality], split.videos, name).softmax(1).mean(2)
    ours = [{choice.name: choice.probability for choice in said[video.id].choices} for video in split.videos]
    assert [[one[name] for name in split.classes] for one in ours] == probabilities.tolist()
    assert len({tuple(sorted(one.items())) for one in ours}) > 6 and all(answer.what == "classes" for answer in said.values())


def test_classes_of_rgb_and_flow_together_are_those_of_the_evaluation(recognised: tuple[dict[str, Context], Context]) -> None:
    from systems.gkd.recognition.predictor import load

    made, evaluated = recognised
    theirs = predicted(evaluated, f"student.alone{BOTH}")
    folders = {"frames": evaluated.inputs["frames"], "partner.frames": evaluated.inputs["flow"]}
    files = Made(list(theirs), folders, {alias: ItemSet(path / "items", writable=False) for alias, path in folders.items()})
    rgb, flow = (made[name].out for name in NETWORKS)
    said = dict(load(Asked(rgb, {"partner": flow}, modality="both")).answers(files, None))
    assert len(theirs) == 12 and {id: answer.choices[0].name for id, answer in said.items()} == theirs
    alone = dict(load(Asked(rgb)).answers(files, None))
    assert [one.choices[0].probability for one in said.values()] != [one.choices[0].probability for one in alone.values()]
    with pytest.raises(ConfigError, match="are not fused"):
        load(Asked(flow, {"partner": rgb}, modality="both"))


@pytest.fixture(scope="module")
def detected(tmp_path_factory: pytest.TempPathFactory) -> tuple[detection_bench.Bench, dict[str, Context], Context]:
    """A detector of RGB and one of flow, trained long enough to find something, and their evaluation."""
    bench = detection_bench.make_bench(tmp_path_factory.mktemp("detect"))
    made = {name: bench.student(modality=modality, name=name, epochs=15, lr=2e-3) for name, modality in NETWORKS.items()}
    return bench, made, bench.evaluate(made, sigma=0.3)


def test_segments_are_those_of_the_evaluation(detected: tuple[detection_bench.Bench, dict[str, Context], Context]) -> None:
    from systems.gkd.detection.predictor import load

    bench, made, evaluated = detected
    theirs = json.loads((evaluated.out / "results" / "student.alone.json").read_text())["results"]
    asked = Asked(made["student.alone"].out, settings=EvaluateParams(stride=16, sigma=0.3), top=100_000)
    said = dict(load(asked).answers(Made(list(theirs), {"arrays": bench.root / "rgb"}), None))
    assert {"t1", "t2"} <= said.keys() == theirs.keys() and all(theirs.values())
    for id, answer in said.items():
        ours = sorted((one.name, one.score, one.start, one.end) for one in answer.segments)
        assert ours == sorted((one["label"], one["score"], *one["segment"]) for one in theirs[id])


def test_segments_of_rgb_and_flow_together_are_those_of_the_evaluation(
    detected: tuple[detection_bench.Bench, dict[str, Context], Context],
) -> None:
    from systems.gkd.detection.predictor import load

    bench, made, evaluated = detected
    theirs = json.loads((evaluated.out / "results" / f"student.alone{BOTH}.json".replace(" ", "")).read_text())["results"]
    rgb, flow = (made[name].out for name in NETWORKS)
    asked = Asked(rgb, {"partner": flow}, settings=EvaluateParams(stride=16, sigma=0.3), top=100_000, modality="both")
    files = Made(list(theirs), {"arrays": bench.root / "rgb", "partner.arrays": bench.root / "flow"})
    for id, answer in load(asked).answers(files, None):
        ours = sorted((one.name, one.score, one.start, one.end) for one in answer.segments)
        assert ours and ours == sorted((one["label"], one["score"], *one["segment"]) for one in theirs[id])


def test_of_segments_the_best_are_said(detected: tuple[detection_bench.Bench, dict[str, Context], Context]) -> None:
    from systems.gkd.detection.predictor import load

    bench, made, _ = detected
    rgb = made["student.alone"].out
    many, few = (
        dict(load(Asked(rgb, settings=EvaluateParams(stride=16), top=top)).answers(Made(["t1"], {"arrays": bench.root / "rgb"}), None))
        for top in (1000, 3)
    )
    assert few["t1"].segments == many["t1"].segments[:3] and len(many["t1"].segments) > 3
    scores = [one.score for one in many["t1"].segments]
    assert scores == sorted(scores, reverse=True)
