"""Clips told apart by folders of examples: an episode as the evaluation has them, and what is special about one's own."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain as chained
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cache.items import ItemSet
from models.prediction import Answer, Asked, Made
from systems.litemkd import EvaluateParams
from systems.litemkd.dumped import Dumped
from systems.litemkd.predictor import FewShot, load_expert, load_student, load_teacher
from tests.litemkd.conftest import CLASSES, FRAMES, Bench, Chain, frames, make_bench, make_chain, write_frames

#: The students of a recipe: one branch and two, by distances, by transformers.
KINDS = [{}, {"shape": "d2m"}]


def made_of(bench: Bench, ids: list[str]) -> Made:
    return Made(ids, {"frames": bench.root / "rgb"}, {"frames": ItemSet(bench.root / "rgb" / "items", writable=False)})


def predictor(student: Path, top: int = 10) -> FewShot:
    return load_student(Asked(student, settings=EvaluateParams(), top=top))


@pytest.mark.parametrize("kind", KINDS)
def test_an_episode_is_answered_as_in_the_evaluation(tmp_path: Path, kind: dict[str, str]) -> None:
    """Its answers are those of the shared features, whose sums are taken in another order."""
    bench = make_bench(tmp_path, modalities=("rgb",))
    student = bench.student(**kind)
    classes = CLASSES["test"]
    support = {name: [f"{name}{n}" for n in (0, 1)] for name in classes}
    queries = [f"{name}{n}" for name in classes for n in (2, 3, 4)]
    asked = predictor(student)
    made = made_of(bench, [*chained(*support.values()), *queries])
    assert asked.learn(made, support) == {}
    said = dict(asked.answers(made_of(bench, queries), None))

    as_evaluated(bench, {"student.alone": student}, "student.alone", support, queries, said)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """Experts and a teacher."""
    return make_chain(tmp_path_factory.mktemp("asked"))


@pytest.mark.parametrize("name", ["teacher", "expert.rgb", "expert.depth"])
@pytest.mark.parametrize("changes", [{}, {"preset": "released"}])
def test_teachers_and_experts_answer_as_in_the_evaluation(chain: Chain, name: str, changes: dict[str, str]) -> None:
    """From pictures of every modality, where the evaluation reads dumped features."""
    bench, classes = chain.bench, CLASSES["test"]
    teacher = bench.teacher(chain.dumps, f"teacher.{len(changes)}", **changes) if changes else chain.teacher
    support = {name: [f"{name}{n}" for n in (0, 1)] for name in classes}
    queries = [f"{name}{n}" for name in classes for n in (2, 3, 4)]
    if name == "teacher":
        kept = {f"{modality}.expert": path for modality, path in chain.experts.items()}
        asked = load_teacher(Asked(teacher, kept))
        aliases = {f"{modality}.frames": modality for modality in chain.experts}
    else:
        asked = load_expert(Asked(chain.experts[name.partition(".")[2]]))
        aliases = {"frames": name.partition(".")[2]}
    inputs = {alias: bench.root / modality for alias, modality in aliases.items()}
    items = {alias: ItemSet(path / "items", writable=False) for alias, path in inputs.items()}
    assert asked.learn(Made([*chained(*support.values()), *queries], inputs, items), support) == {}
    said = dict(asked.answers(Made(queries, inputs, items), None))
    networks = {"teacher": teacher, **{f"expert.{modality}": path for modality, path in chain.experts.items()}}
    as_evaluated(bench, networks, name, support, queries, said, {modality: Dumped(path) for modality, path in chain.dumps.items()})


def as_evaluated(
    bench: Bench,
    networks: Mapping[str, Path],
    name: str,
    support: Mapping[str, list[str]],
    queries: list[str],
    said: Mapping[str, Answer],
    dumps: Mapping[str, Any] | None = None,
) -> None:
    """What is said of queries is what the evaluation has one of its networks say, to rounding."""
    from systems.litemkd.clips import Clips
    from systems.litemkd.evaluate import answering
    from systems.litemkd.networks import read_all
    from systems.litemkd.videos import listed

    ctx = bench.context(EvaluateParams(), "evaluate", {"frames": bench.root / "rgb", **networks})
    clips = Clips(ctx.inputs["frames"], ctx.input_items["frames"], frames=FRAMES)
    videos = listed(ctx.inputs["index"], "test")
    rows = {video.name: row for row, video in enumerate(videos)}
    answers = dict(answering(ctx, read_all(ctx), videos, clips, dumps or {}))[name]
    with torch.inference_mode():
        places = torch.tensor([[[rows[id] for id in own] for own in support.values()]])
        logits = answers(places, torch.tensor([[rows[id] for id in queries]]))[0]
    classes = list(support)
    for id, theirs in zip(queries, logits.softmax(1), strict=True):
        ours = {choice.name: choice.probability for choice in said[id].choices}
        np.testing.assert_allclose([ours[name] for name in classes], theirs.numpy(), rtol=1e-4, atol=1e-6)
        assert said[id].choices[0].name == classes[int(theirs.argmax())]


def test_a_clip_that_is_an_example_of_one_class_alone_is_of_that_class(tmp_path: Path) -> None:
    """Classes may have different numbers of examples, and come a few at a time; the answer does not depend on that."""
    bench = make_bench(tmp_path, modalities=("rgb",))
    student = bench.student()
    whole, parts = predictor(student), predictor(student)
    support = {"hen": ["hen0"], "ibis": ["ibis0", "ibis1", "ibis2"], "jay": ["jay0", "jay1"]}
    ids = list(chained(*support.values()))
    whole.learn(made_of(bench, ids), support)
    parts.learn(made_of(bench, ids[:3]), {"hen": ["hen0"], "ibis": ["ibis0", "ibis1"], "jay": []})
    parts.learn(made_of(bench, ids[3:]), {"hen": [], "ibis": ["ibis2"], "jay": ["jay0", "jay1"]})
    asked = made_of(bench, ["hen0", "ibis4"])
    first, second = (dict(one.answers(asked, None)) for one in (whole, parts))
    assert first["hen0"].choices[0].name == "hen"
    for id in asked.ids:
        assert [choice.name for choice in first[id].choices] == [choice.name for choice in second[id].choices]
        np.testing.assert_allclose(
            [choice.probability for choice in first[id].choices], [choice.probability for choice in second[id].choices], rtol=1e-4
        )
        assert sum(choice.probability for choice in first[id].choices) == pytest.approx(1)


def test_a_clip_with_too_few_frames_is_said_to_have_them(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, modalities=("rgb",))
    student = bench.student()
    lines = [{**line, "count": 2} if line["id"] in ("hen1", "jay3") else line for line in frames(bench.root / "rgb")]
    write_frames(bench.root / "rgb", lines)
    asked = predictor(student)
    told = asked.learn(made_of(bench, ["hen0", "hen1", "jay0"]), {"hen": ["hen0", "hen1"], "jay": ["jay0"]})
    assert told == {"hen1": f"it has 2 frames, and {FRAMES} are needed"}
    said = dict(asked.answers(made_of(bench, ["jay3", "jay2"]), None))
    assert "2 frames" in said["jay3"].lack and not said["jay3"].choices and len(said["jay2"].choices) == 2
