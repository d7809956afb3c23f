"""The ablation of docs/systems/videoqa.md: one setting after another through the real pipeline, as a table in Markdown.

    python benchmarks/ablation_videoqa.py --dataset world --seeds 3 [--only NAME ...] [--jobs 2]

Every setting is a set of ``--set`` options; whatever settings share (the world, features, teachers) is computed once. Accuracies
are means over seeds; settings are chosen by validation accuracy, the test column is there to be read, not to choose by.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from models.evaluation.files import read_evaluation
from models.evaluation.statistics import interval, paired

PROJECT = Path(__file__).resolve().parents[1]

#: name -> settings on top of the dataset's own
SETTINGS: dict[str, dict[str, Any]] = {
    "dataset's preset": {},
    "preset without the published terms": {"student.kd.kd_alpha": 0, "student.kd.kd_beta": 0},
    "preset with the published terms at 1": {"student.kd.kd_alpha": 1, "student.kd.kd_beta": 1},
    "paper's terms and weights": {"student.kd.kd_alpha": 1, "student.kd.kd_beta": 1, "student.kd.kd_logits": 0},
    "the paper's, student as wide as its teacher": {
        "student.module_dim": 128,
        "student.kd.kd_alpha": 1,
        "student.kd.kd_beta": 1,
        "student.kd.kd_logits": 0,
    },
    "features, weight 0.1": {"student.kd.kd_alpha": 0.1, "student.kd.kd_beta": 0.1, "student.kd.kd_logits": 0},
    "features, weight 10": {"student.kd.kd_alpha": 10, "student.kd.kd_beta": 10, "student.kd.kd_logits": 0},
    "features, temperature 0.25": {"student.kd.t_app": 0.25, "student.kd.t_mo": 0.25, "student.kd.kd_logits": 0},
    "features, temperature 4": {"student.kd.t_app": 4, "student.kd.t_mo": 4, "student.kd.kd_logits": 0},
    "answers only, weight 1": {"student.kd.kd_alpha": 0, "student.kd.kd_beta": 0, "student.kd.kd_logits": 1},
    "answers only, weight 4": {"student.kd.kd_alpha": 0, "student.kd.kd_beta": 0, "student.kd.kd_logits": 4},
    "answers only, temperature 4": {
        "student.kd.kd_alpha": 0,
        "student.kd.kd_beta": 0,
        "student.kd.kd_logits": 1,
        "student.kd.t_logits": 4,
    },
    "teacher with 1 graph layer": {"teacher.graph_layers": 1},
    "2 clips": {"sample.num_clips": 2},
    "8 clips": {"sample.num_clips": 8},
}
#: settings are chosen by the first; the other is there to be read
SPLITS = ("val", "test")


def kdpipe(*arguments: str) -> str:
    """Run a command and return what it printed; its errors go to ours."""
    done = subprocess.run([sys.executable, "-m", "pipeline", *arguments], cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def accuracies(options: list[str], seeds: int, jobs: int) -> dict[str, dict[str, list[float]]]:
    """Network -> split -> accuracy per seed, of one setting."""
    rules = kdpipe("plan", "evaluate", "--make", *options)
    if rules:
        subprocess.run(["make", f"-j{jobs}", "-s", "-f", "-"], input=rules, cwd=PROJECT, text=True, check=True)
    found: dict[str, dict[str, list[float]]] = {}
    for seed in range(seeds):
        record = json.loads(kdpipe("show", f"evaluate.s{seed}", "--json", *options))
        evaluation = read_evaluation(Path(record["files"]))
        for model in evaluation.networks:
            place = found.setdefault(model.name, {split: [] for split in SPLITS})
            place["val"].append(100 * (model.validation or 0.0))
            place["test"].append(100 * model.scores[evaluation.columns[0].name].value)
    return found


def main() -> None:
    """Print the table, a row as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="world")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="for all settings")
    arguments = parser.parse_args()
    columns = [f"{what} {split}" for split in SPLITS for what in ("teacher", "alone", "distilled", "distilled − alone")]
    print("| setting | " + " | ".join(columns) + " |")
    print("| --- |" + " --- |" * len(columns))
    for name in arguments.only:
        words = [*arguments.set, *(f"{key}={value}" for key, value in SETTINGS[name].items())]
        options = ["--dataset", arguments.dataset, "--seeds", str(arguments.seeds), *(w for word in words for w in ("--set", word))]
        found = accuracies(options, arguments.seeds, arguments.jobs)
        teacher, alone, kd = (found[model] for model in ("teacher", "student.alone", "student.kd"))
        cells = []
        for split in SPLITS:
            gain = paired(kd[split], alone[split])
            cells += [f"{interval(model[split]).mean:.1f}" for model in (teacher, alone, kd)] + [f"{gain.mean:+.1f} ± {gain.half:.1f}"]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
