"""A training step of every system beside a plain eager re-creation of the published one: same weights, same batch, same losses.

    python benchmarks/steps.py                                  # all of them, at published sizes; an idle machine
    python benchmarks/steps.py xkd fewerframes --rounds 5
    python benchmarks/steps.py litemkd --size 112 --threads 1   # other sizes: one system
    python benchmarks/steps.py videoqa.teacher --load 2         # beside two processes that are busy

The two sides run by turns, each in a process of its own, whose peak is that of the whole process. The time is that of a whole step with
the optimiser's: of the processor (all threads; the one to look at where others use the machine, with ``--threads 1``) and of the wall.
The roofline is the share of the product rate (matrices of 2048 x 2048, in the same processes, by PyTorch or by our own way, whichever is
faster) that the operations of our step, counted by PyTorch, reach in our processor time. The last line is JSON: of each system the ratios
plain / ours of both times, that share, and our memory over the plain one's.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
#: system -> the module beside this one with both sides of its step, and what it is asked for
STEPS = {
    "videoqa.teacher": ("videoqa_step", {"role": "teacher"}),
    "videoqa.student": ("videoqa_step", {"role": "student"}),
    "fewerframes": ("fewerframes_step", {}),
    "litemkd": ("litemkd_step", {}),
    "gkd.recognition": ("gkd_recognition", {}),
    "gkd.detection": ("gkd_detection", {}),
    "xkd": ("xkd_step", {}),
}


def main() -> None:
    sys.path[:0] = [str(PROJECT), str(PROJECT / "benchmarks")]
    from sides import arguments, beside, show

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help=f"of {', '.join(STEPS)}; all if none is named")
    arguments(parser)
    options, rest = parser.parse_known_args()
    unknown = [name for name in options.systems if name not in STEPS]
    if unknown:
        parser.error(f"unknown system {unknown[0]!r}; there are {', '.join(STEPS)}")
    if rest and len(options.systems) != 1:
        parser.error(f"{rest[0]} is a size of one system: name it")
    result: dict[str, dict[str, float]] = {}
    for system in options.systems or STEPS:
        name, role = STEPS[system]
        own = argparse.ArgumentParser(prog=f"{parser.prog} {system}")
        for size, published in importlib.import_module(name).SIZES.items():
            own.add_argument(f"--{size}", type=type(published), default=published)
        sizes = own.parse_args(rest)
        result |= beside(name, argparse.Namespace(**{**vars(options), **vars(sizes), **role, "system": system}))
    show(result)


if __name__ == "__main__":
    main()
