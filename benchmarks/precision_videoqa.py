"""What less precision of the features costs the networks that learn from them, through the real pipeline. Reading: docs/FEATURES.md.

    python benchmarks/precision_videoqa.py --dataset world --seeds 3 [--jobs 2] [--set world.size=medium]

Precision -> accuracy on the test split of the teacher and the students (mean and 95 % interval over seeds, the difference from float32
seed by seed), and how far each kind of features is off: relative, max|a-b| / max|b| of a video, median and largest; the median and least
cosine of a video's features with those in float32. The world, its frames and the questions are made once.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from models.evaluation.files import read_evaluation
from models.evaluation.statistics import interval, paired

PROJECT = Path(__file__).resolve().parents[1]

#: precision -> settings
WAYS: dict[str, list[str]] = {
    "float32": [],
    "bfloat16": ["extract.precision=bfloat16"],
    "int8": ["extract.precision=int8", "extract.runtime=openvino"],
}
KINDS = ("appearance", "motion")


def kdpipe(*arguments: str, codes: tuple[int, ...] = (0,)) -> str:
    """Run a command and return what it printed; its errors go to ours."""
    done = subprocess.run([sys.executable, "-m", "pipeline", *arguments], cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in codes:
        raise SystemExit(f"kdpipe {' '.join(arguments)} ended with {done.returncode}")
    return done.stdout


def accuracies(options: list[str], seeds: int, jobs: int) -> dict[str, list[float]]:
    """Network -> accuracy on the test split per seed."""
    rules = kdpipe("plan", "evaluate", "--make", *options)
    if rules:
        subprocess.run(["make", f"-j{jobs}", "-s", "-f", "-"], input=rules, cwd=PROJECT, text=True, check=True)
    found: dict[str, list[float]] = {}
    for seed in range(seeds):
        evaluation = read_evaluation(Path(json.loads(kdpipe("show", f"evaluate.s{seed}", "--json", *options))["files"]))
        for model in evaluation.networks:
            found.setdefault(model.name, []).append(100 * model.scores[evaluation.columns[0].name].value)
    return found


def errors(options: list[str], plain: dict[str, str], kind: str) -> dict[str, float]:
    """How far features of one kind are from those in float32, whose file is ``plain[kind]``."""
    said = kdpipe("compare-features", f"extract.{kind}", plain[kind], "--json", *options, codes=(0, 1))
    rows: list[dict[str, Any]] = json.loads(said)["rows"]
    relative, cosine = ([row[name] for row in rows] for name in ("relative", "cosine"))
    return {"relative": median(relative), "largest": max(relative), "cosine": median(cosine), "least": min(cosine)}


def main() -> None:
    """Print a table of accuracies, a row as soon as it is measured, and one of errors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="world")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="for all")
    arguments = parser.parse_args()
    first: dict[str, list[float]] = {}
    plain: dict[str, str] = {}
    told = []
    for name in arguments.only:
        words = [*arguments.set, *WAYS[name]]
        options = ["--dataset", arguments.dataset, "--seeds", str(arguments.seeds), *(w for word in words for w in ("--set", word))]
        found = accuracies(options, arguments.seeds, arguments.jobs)
        if not first:
            first = found
            print("| precision | " + " | ".join(f"{model}, − float32" for model in found) + " |", flush=True)
            print("| --- |" + " --- |" * len(found))
            for kind in KINDS:
                folder = Path(json.loads(kdpipe("show", f"extract.{kind}", "--json", *options))["files"])
                plain[kind] = str(folder / json.loads((folder / "features.json").read_text())["file"])
        cells = []
        for model, scores in found.items():
            difference = paired(scores, first[model])
            cells.append(f"{interval(scores).mean:.1f} ± {interval(scores).half:.1f}, {difference.mean:+.1f} ± {difference.half:.1f}")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
        for kind in KINDS if plain and name != arguments.only[0] else ():
            off = errors(options, plain, kind)
            told.append(f"| {kind}, {name} | {off['relative']:.1e} ({off['largest']:.1e}) | {off['cosine']:.5f} ({off['least']:.5f}) |")
    print("\n| features | relative, median of videos (largest) | cosine, median (least) |\n| --- | --- | --- |")
    print("\n".join(told))


if __name__ == "__main__":
    main()
