"""What ``train.video_dropout=shared`` with ``train.together=25`` does to the teacher's validation accuracy, on the embedded world.

    python benchmarks/videoqa_together.py                           # 5 seeds, a world of 600 videos, both ways by turns
    python benchmarks/videoqa_together.py --size large --seeds 8    # the world of the demo

Every teacher is trained by the real pipeline, so each is a result in the store: a run that was stopped goes on where it was, within an
epoch. Both ways have the same initial weights for a seed, so their accuracies are paired. What is printed is the accuracy of the best
epoch, which is also the one that is kept. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT)]

from cache.json_files import read_json  # noqa: E402
from models.evaluation.statistics import Interval, interval, paired  # noqa: E402


def kdpipe(*arguments: str) -> str:
    """Run a command and return what it printed; its errors go to ours."""
    done = subprocess.run([sys.executable, "-m", "pipeline", *arguments], cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def accuracy(seed: int, options: list[str]) -> float:
    """Validation accuracy in % of the teacher of ``seed``, which is trained if it is not there."""
    node = f"teacher.s{seed}"
    kdpipe("run", node, *options)
    record = json.loads(kdpipe("show", node, "--json", *options))
    return 100 * float(read_json(Path(record["files"]) / "model.json")["best_value"])


def shown(found: Interval) -> str:
    return f"{found.mean:.2f} ± {found.half:.2f}"


def main() -> None:
    """Print both accuracies of every seed as soon as they are there, then means and the paired difference with their intervals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="medium", help="of the world: tiny, small, medium (600 videos), large (1,000)")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--together", type=int, default=25)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="for both ways")
    options = parser.parse_args()
    settings = [f"world.size={options.size}", *options.set]
    ways = {"published": [], "together": ["train.video_dropout=shared", f"train.together={options.together}"]}
    found: dict[str, list[float]] = {way: [] for way in ways}
    for seed in range(options.seeds):
        for way, own in ways.items():
            words = [word for setting in (*settings, *own) for word in ("--set", setting)]
            found[way].append(accuracy(seed, ["--dataset", "world", "--seeds", str(options.seeds), *words]))
        print(f"  seed {seed}: " + ", ".join(f"{way} {values[-1]:.2f}" for way, values in found.items()), flush=True)
    difference = paired(found["together"], found["published"])
    for way, values in found.items():
        print(f"  {way:<9} {shown(interval(values))} %")
    print(f"  together − published: {difference.mean:+.2f} ± {difference.half:.2f} points (95 %, n = {difference.n})")
    print(json.dumps({"videoqa.together": {"size": options.size, **found}}))


if __name__ == "__main__":
    main()
