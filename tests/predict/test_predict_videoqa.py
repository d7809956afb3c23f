"""Questions about videos as files: answered as the evaluation answers them, and features of the same bits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cache.hdf5 import FeatureReader
from cache.json_files import read_json, read_lines
from cache.record import Record
from cache.stage import Quiet
from cache.store import Store
from models.prediction import Asked, Question
from pipeline.config import Config
from pipeline.graph import build
from pipeline.judge import Judge
from pipeline.predict.files import listed
from pipeline.predict.making import Workshop, make
from pipeline.predict.network import of_graph, of_result
from pipeline.predict.recipe import recipe_of
from tests import warm
from tests.command import PROJECT, kdpipe, variables
from tests.predict.bad_files import bad_files, only_these_fail

pytestmark = pytest.mark.long

TINY = ("--dataset", "tiny")
NETWORKS = ("teacher", "student.kd", "student.alone", "student.question")


@pytest.fixture
def judge(finished: Path) -> Judge:
    """A judge of the finished store."""
    return Judge(Store(finished), build(Config("tiny", "videoqa")), device="cpu", looking=True)


def record(judge: Judge, node: str) -> Record:
    found = judge.last(node)
    assert found is not None
    return found


def videos(judge: Judge) -> dict[str, Path]:
    """Id -> file of every video of the test split."""
    world, index = (judge.store.files(record(judge, node)) for node in ("world", "index"))
    rows = read_lines(index / "media.jsonl")
    return {row["id"]: world / row["path"] for row in rows if "test" in row["splits"]}


def asked_in(judge: Judge) -> list[dict[str, str]]:
    """The questions of the test split."""
    rows = read_lines(judge.store.files(record(judge, "index")) / "questions.jsonl")
    return [row for row in rows if row["split"] == "test"]


def test_the_features_of_files_have_the_bits_of_those_of_the_dataset(judge: Judge, tmp_path: Path) -> None:
    files = videos(judge)
    recipe = recipe_of(judge, of_graph(judge, ""))
    outcome = make(Workshop(tmp_path, recipe, Quiet, workers=1), listed(map(str, files.values())))
    (made,) = outcome.made
    assert not outcome.lost and list(made.ids) == [str(n) for n in range(len(files))]
    for kind in ("appearance", "motion"):
        stored = judge.store.files(record(judge, f"extract.{kind}"))
        theirs, ours = (FeatureReader(folder / read_json(folder / "features.json")["file"]) for folder in (stored, made.inputs[kind]))
        for id, video in zip(made.ids, files, strict=True):
            np.testing.assert_array_equal(ours.row(id), theirs.row(video))


@pytest.mark.parametrize("network", NETWORKS)
def test_answers_are_those_of_the_evaluation(judge: Judge, tmp_path: Path, network: str) -> None:
    """Of every question of the test split, about its video as a file."""
    from stages.questions.asked import encode, load_vocabulary
    from systems.videoqa.predictor import load

    chosen, files = of_graph(judge, network), videos(judge)
    recipe = recipe_of(judge, chosen)
    (made,) = make(Workshop(tmp_path, recipe, Quiet, workers=1), listed(map(str, files.values()))).made
    predictor = load(Asked(judge.store.files(chosen.record), recipe.kept, top=1))
    vocabulary = load_vocabulary(recipe.kept["questions"])
    ours = {}
    for row in asked_in(judge):
        said = dict(predictor.answers(made, Question(row["question"], *encode(row["question"], vocabulary))))
        ours[str(row["question_id"])] = said[str(list(files).index(row["video_id"]))].choices[0].name
    rows = read_lines(judge.store.files(record(judge, "evaluate.s0")) / "predictions.jsonl")
    theirs = {row["item"]: row["prediction"] for row in rows if row["model"] == network}
    assert len(theirs) == 45 and ours == theirs


def test_probabilities_are_those_of_the_batch_of_the_evaluation(judge: Judge, tmp_path: Path) -> None:
    """One question at a time, and all of the split together: the same up to the last bits of float32."""
    import torch

    from models.training.artifact import read_network
    from systems.videoqa.data import Features, Split
    from systems.videoqa.model import DualVGR
    from systems.videoqa.predictor import load
    from systems.videoqa.train import answer

    chosen, files = of_graph(judge, ""), videos(judge)
    recipe = recipe_of(judge, chosen)
    (made,) = make(Workshop(tmp_path, recipe, Quiet, workers=1), listed(map(str, files.values()))).made
    predictor = load(Asked(judge.store.files(chosen.record), recipe.kept, top=10_000))
    model, _ = read_network(judge.store.files(chosen.record), DualVGR)
    stored = [judge.store.files(record(judge, f"extract.{kind}")) for kind in ("appearance", "motion")]
    split = Split(recipe.kept["questions"], "test", Features(*stored))
    with torch.inference_mode():
        together = answer(model, split.batch(torch.arange(len(split)))).logits.softmax(1).numpy()
    words = predictor.answer_words
    for row in range(0, len(split), 9):
        tokens = tuple(split.tokens[row, : split.lengths[row]].tolist())
        said = dict(predictor.answers(made, Question("", tokens)))[str(list(files).index(str(int(split.video_ids[row]))))]
        by_name = {choice.name: choice.probability for choice in said.choices}
        np.testing.assert_allclose([by_name[word] for word in words], together[row], rtol=1e-5, atol=1e-7)
        assert [c.probability for c in said.choices] == sorted(by_name.values(), reverse=True)


def test_unreadable_files_end_in_a_line_each_and_the_others_are_answered(finished: Path, judge: Judge, tmp_path: Path) -> None:
    good = next(iter(videos(judge).values()))
    bad = bad_files(tmp_path, good)
    done = kdpipe(finished, "predict", *map(str, bad.values()), str(good), "--question", "who is it?", "--json", *TINY, code=1)
    row = only_these_fail(done, list(bad.values()), good)
    assert len(row["answers"]) == 5 and row["network"] == "student.kd.s0"
    rows = {row["file"]: row for row in map(json.loads, done.stdout.splitlines())}
    states = {name: rows[str(path)]["error"].partition(":")[0] for name, path in bad.items()}
    assert states == {"text": "not_media", "empty": "empty", "cut": "not_media", "gone": "cannot be read", "sound": "no_video"}


def test_a_folder_is_all_of_its_videos_and_questions_come_from_standard_input(finished: Path, judge: Judge, tmp_path: Path) -> None:
    for name, video in zip(("b.avi", "a.avi"), videos(judge).values()):
        (tmp_path / name).write_bytes(video.read_bytes())
    (tmp_path / "notes.txt").write_text("no video")
    words = [sys.executable, "-m", "pipeline", "predict", str(tmp_path), "--json", "--network", "teacher", "--seed", "1", *TINY]
    typed = "who is it?\n\n ? \nwhere are the people\n"
    done = subprocess.run(words, cwd=PROJECT, env=variables(finished), input=typed, capture_output=True, text=True, timeout=120)
    rows = list(map(json.loads, done.stdout.splitlines()))
    assert done.returncode == 1 and [row for row in rows if "error" in row] == [{"question": "?", "error": "the question has no word"}]
    said = [(Path(row["file"]).name, row["question"]) for row in rows if "answers" in row]
    assert said == [(name, question) for question in ("who is it?", "where are the people") for name in ("a.avi", "b.avi")]
    assert {row["network"] for row in rows if "answers" in row} == {"teacher.s1"}


def test_a_pin_and_a_key_name_the_network_also_that_of_an_evaluation(judge: Judge) -> None:
    kd, evaluation = record(judge, "student.kd.s1"), record(judge, "evaluate.s1")
    assert of_result(judge, kd.digest[:12], "").record == kd
    assert of_result(judge, "evaluate.s1", "").record == kd
    assert of_result(judge, evaluation.digest[:12], "teacher").name == "teacher.s1"
    assert of_result(judge, "report", "student.alone").name == "student.alone.s0"


def test_a_word_that_is_unknown_is_said(finished: Path, judge: Judge) -> None:
    video = next(iter(videos(judge).values()))
    done = kdpipe(finished, "predict", str(video), "--question", "who rides the zebra", *TINY)
    head, *choices = done.stdout.splitlines()
    assert head.endswith("who rides the zebra   (not in the vocabulary: rides, zebra)") and len(choices) == 5


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--network", "teecher"), "did you mean 'teacher'"),
        (("--seed", "7"), "student.kd.s7 was never made"),
        (("--from", "nothing"), "no node, no pin and no key"),
        (("--from", "index"), "is no trained network of videoqa"),
        (("--support", "."), "takes no examples"),
        (("--modality", "both"), "leave --modality out"),
    ],
)
def test_what_cannot_be_asked_is_said(finished: Path, words: tuple[str, ...], told: str) -> None:
    done = kdpipe(finished, "predict", "x.mp4", "--question", "who?", *TINY, *words, code=1)
    assert told in done.stderr, done.stderr


def test_help_and_the_parser_import_nothing_heavy(finished: Path) -> None:
    probe = "import sys; sys.argv = ['kdpipe', 'predict', '--help']\nfrom pipeline.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    probe += "heavy = {'torch', 'av', 'h5py', 'PIL'} & set(sys.modules); assert not heavy, heavy"
    done = subprocess.run([sys.executable, "-c", probe], cwd=PROJECT, env=variables(finished), capture_output=True, text=True)
    assert done.returncode == 0 and "--question" in done.stdout, done.stderr


def test_nothing_is_left_behind_and_the_store_stays_as_it_is(finished: Path, judge: Judge, tmp_path: Path) -> None:
    def there() -> set[str]:
        return {str(path) for path in finished.rglob("*") if "memo" not in path.parts}

    before, store = there(), Store(finished)
    video = next(iter(videos(judge).values()))
    done = warm.run(
        "pipeline", "predict", str(video), "--question", "who?", *TINY, cwd=PROJECT, env=variables(finished, TMPDIR=str(tmp_path))
    )
    assert done.returncode == 0 and there() == before and store.root == finished
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("kdpipe-predict")]
