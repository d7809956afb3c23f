"""How long ``kdpipe predict`` takes to the first answer and to each one after, and whether its answers are those of the evaluation.

    kdpipe run student.kd.s0 && .venv/bin/python benchmarks/predict.py --videos 50

Cold: a process is started for one video and one question, until it has ended. After: the same process is asked again about the video.
Every question of the test split about some of its videos, copied under other names, is answered, and the answers are compared with what the
evaluation's own function says of the stored features; features are compared bit by bit.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cache.hdf5 import FeatureReader
from cache.json_files import read_json, read_lines
from cache.stage import Quiet
from cache.store import Store
from models.prediction import Asked, Question
from pipeline import paths
from pipeline.config import Config
from pipeline.graph import build
from pipeline.judge import Judge
from pipeline.predict.files import listed
from pipeline.predict.making import Workshop, lots, make
from pipeline.predict.network import Chosen, of_graph
from pipeline.predict.recipe import Recipe, recipe_of

QUESTIONS = ("who is there?", "where are the people?", "how many people are in the room?", "what is standing on the ground?")


def main() -> None:
    """Measure and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="world")
    parser.add_argument("--videos", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--skip-times", action="store_true")
    args = parser.parse_args()
    judge = Judge(Store(paths.store_root()), build(Config(args.dataset, "videoqa")), device="cpu", looking=True)
    chosen = of_graph(judge, "")
    recipe = recipe_of(judge, chosen)
    with tempfile.TemporaryDirectory() as place:
        files = copied(judge, recipe, Path(place), args.videos)
        if not args.skip_times:
            cold(next(iter(files.values())), args.dataset, args.repeats)
            after(next(iter(files.values())), args.dataset)
        compare(judge, chosen, recipe, files)


def copied(judge: Judge, recipe: Recipe, place: Path, count: int) -> dict[str, Path]:
    """Id -> copy of videos of the test split, evenly chosen."""
    world, index = judge.last("world"), judge.last("index")
    assert world is not None and index is not None
    rows = [row for row in read_lines(judge.store.files(index) / "media.jsonl") if "test" in row["splits"]]
    found = {}
    for number, row in enumerate(rows[:: max(1, len(rows) // count)][:count]):
        source = judge.store.files(world) / row["path"]
        found[row["id"]] = Path(shutil.copy(source, place / f"own{number:03d}{source.suffix}"))
    return found


def command(file: Path, dataset: str, *more: str) -> list[str]:
    """The command line of a prediction."""
    return [sys.executable, "-m", "pipeline", "predict", str(file), "--dataset", dataset, "--seed", "0", "--top", "1", *more]


def cold(file: Path, dataset: str, repeats: int) -> None:
    """Seconds from the start of a process to its end; of the processor, as far as the process itself used it."""
    walls, used = [], []
    for _ in range(repeats):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command(file, dataset, "--question", QUESTIONS[0]), check=True, capture_output=True, cwd=paths.PROJECT)
        walls.append(time.perf_counter() - began)
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        used.append(now.ru_utime + now.ru_stime - before.ru_utime - before.ru_stime)
    print(f"cold, {repeats} runs: {statistics.median(walls):.2f} s (median), {min(walls):.2f} to {max(walls):.2f}; ", end="")
    print(f"of the processor {statistics.median(used):.2f} s; load {os.getloadavg()[0]:.1f}")


def after(file: Path, dataset: str) -> None:
    """Seconds from a question on standard input to its answer, in a process that has answered one."""
    with subprocess.Popen(command(file, dataset), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=paths.PROJECT) as process:
        assert process.stdin is not None and process.stdout is not None
        seconds = []
        for text in (QUESTIONS[0], *QUESTIONS * 5):
            began = time.perf_counter()
            process.stdin.write(f"{text}\n")
            process.stdin.flush()
            answer = [process.stdout.readline() for _ in range(2)]
            assert answer[1].strip(), answer
            seconds.append(time.perf_counter() - began)
        process.stdin.close()
    own = seconds[1:]
    print(f"each after, {len(own)} questions: {1000 * statistics.median(own):.1f} ms (median), {1000 * max(own):.1f} at most; ", end="")
    print(f"load {os.getloadavg()[0]:.1f}")


def compare(judge: Judge, chosen: Chosen, recipe: Recipe, files: dict[str, Path]) -> None:
    """Count the answers and the rows of features that are not those of the store."""
    from stages.questions.asked import encode, load_vocabulary
    from systems.videoqa.data import Features, Split
    from systems.videoqa.evaluate import predict
    from systems.videoqa.predictor import load

    folders = {alias: judge.store.files(record) for alias in ("appearance", "motion") if (record := judge.last(f"extract.{alias}"))}
    split = Split(recipe.kept["questions"], "test", Features(*folders.values()))
    predictor = load(Asked(judge.store.files(chosen.record), recipe.kept, top=1))
    theirs = dict(zip(split.all["question_ids"].tolist(), predict(predictor.model, split, 256, "cpu").tolist(), strict=True))
    index = judge.last("index")
    assert index is not None
    asked = [row for row in read_lines(judge.store.files(index) / "questions.jsonl") if row["split"] == "test" and row["video_id"] in files]
    vocabulary, words = load_vocabulary(recipe.kept["questions"]), predictor.answer_words
    stored = {alias: FeatureReader(folder / read_json(folder / "features.json")["file"]) for alias, folder in folders.items()}
    same = questions = rows = equal = 0
    videos = list(files)
    with tempfile.TemporaryDirectory() as root:
        for number, lot in enumerate(lots(listed(map(str, files.values())))):
            place = Path(root) / str(number)
            place.mkdir()
            for made in make(Workshop(place, recipe, Quiet, workers=1), lot).made:
                for alias, reader in stored.items():
                    ours = FeatureReader(made.inputs[alias] / read_json(made.inputs[alias] / "features.json")["file"])
                    for id in made.ids:
                        rows += 1
                        equal += ours.row(id).tobytes() == reader.row(videos[int(id)]).tobytes()
                for row in asked:
                    id = str(videos.index(row["video_id"]))
                    if id in made.ids:
                        one = type(made)([id], made.inputs)
                        said = dict(predictor.answers(one, Question(row["question"], *encode(row["question"], vocabulary))))
                        questions += 1
                        same += said[id].choices[0].name == words[theirs[int(row["question_id"])]]
    print(f"{len(files)} videos: {equal} of {rows} rows of features have the bits of the store's; ", end="")
    print(f"{same} of {questions} answers are those of the evaluation")


if __name__ == "__main__":
    main()
