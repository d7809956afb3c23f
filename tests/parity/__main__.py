"""``python -m tests.parity CASES_DIR [--only GLOB]``: exit status 0 if every case passed."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from tests.parity.runner import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description="run our code on a directory of parity cases")
    parser.add_argument("cases", type=Path, help="directory with <case>.json (and <case>.npz) files")
    parser.add_argument("--only", default="*", metavar="GLOB", help="run the cases whose file name matches")
    parser.add_argument("-v", "--verbose", action="store_true", help="show tracebacks of crashes")
    options = parser.parse_args()
    if not options.cases.is_dir():
        parser.error(f"{options.cases} is not a directory; give the one that holds the case files")
    torch.set_num_threads(1)  # sums in another order move a float32 gradient where a ReLU or a maximum is within rounding of a tie
    return run(options.cases, options.only or "*", verbose=options.verbose)


if __name__ == "__main__":
    raise SystemExit(main())
