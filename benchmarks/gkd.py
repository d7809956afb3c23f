"""GKD's parts beside plain re-creations of the published ones, by turns in one process: the same numbers, then times and their ratio.

    python benchmarks/gkd.py map --detections 200000      # mAP, and soft-NMS of a long video
    python benchmarks/gkd.py pooling                      # boundary max pooling, forward and backward
    python benchmarks/gkd.py recognition --rounds 1       # a whole two-step iteration, with --frames, --size and --width at other sizes
    python benchmarks/gkd.py detection --rounds 1         # a whole training iteration, with --frames, --crop and --width at other sizes

On a machine that others use, ``--clock cpu --threads 1`` counts the processor's time instead.
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
    "detection": ("gkd_detection", "detection"),
    "recognition": ("gkd_recognition", "recognition"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--detections", type=int, default=200_000, help="of map")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", default="wall", choices=("wall", "cpu"))
    options, rest = parser.parse_known_args()
    sys.path[:0] = [str(PROJECT), str(PROJECT / "benchmarks")]
    name, measure = PARTS[options.part]
    module = importlib.import_module(name)
    own = argparse.ArgumentParser(prog=f"{parser.prog} {options.part}")
    if hasattr(module, "add_arguments"):
        module.add_arguments(own)
    own.parse_args(rest, namespace=options)
    getattr(module, measure)(options)


if __name__ == "__main__":
    main()
