"""GKD's parts beside plain re-creations of the published ones, by turns in one process: the same numbers, then times and their ratio.

    python benchmarks/gkd.py map --detections 200000      # mAP, and soft-NMS of a long video
    python benchmarks/gkd.py pooling                      # boundary max pooling, forward and backward

On a machine that others use, ``--clock cpu --threads 1`` counts the processor's time instead. Whole iterations are in
``benchmarks/steps.py``.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
#: subcommand -> the module beside this one, and its function that measures and prints
PARTS = {
    "map": ("gkd_map", "scores"),
    "pooling": ("gkd_pooling", "pooling"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--detections", type=int, default=200_000, help="of map")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", default="wall", choices=("wall", "cpu"))
    options = parser.parse_args()
    sys.path[:0] = [str(PROJECT), str(PROJECT / "benchmarks")]
    name, measure = PARTS[options.part]
    getattr(importlib.import_module(name), measure)(options)


if __name__ == "__main__":
    main()
