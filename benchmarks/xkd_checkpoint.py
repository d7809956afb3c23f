"""What a checkpoint of XKD's whole training costs (396 M parameters, AdamW's state); published sizes, on a CPU.

    python benchmarks/xkd_checkpoint.py

The house's writer saves what the loop saves. Its time, of which the loop spends at most ``pace.share``, and the memory that it adds are
measured; the last line says how many checkpoints an hour has room for at 2 %. ``--directory`` is where they go.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from pathlib import Path

import torch

from models.training.checkpoint import Checkpoint
from models.training.determinism import random_state
from systems.xkd import optimise
from systems.xkd.model import SIZES, XKD

HOUR, SHARE = 3600.0, 0.02
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def peak() -> float:
    """Of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the seconds of a checkpoint, its size, and the memory that saving adds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--directory", default=None, help="of the checkpoints, by default the system's for temporary files")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    net = XKD(sizes=SIZES)
    optimizer = optimise.prompt(net)([{"params": [each for each in net.parameters() if each.requires_grad]}])
    for state in optimizer.state.values():
        for value in state.values():
            value.uniform_()  # memory that was never written is not there
    at = {"epoch": 0, "update": 0, "batch": 1, "curves": [], "unrepeatable": []}
    learners = [{"optimizer": optimizer.state_dict(), "scaler": {}, "counts": {}, "sums": {}, "used": {}}]
    before, times = peak(), {name: [] for name in CLOCKS}
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        writer = Checkpoint(Path(directory))
        for _ in range(options.rounds):
            started = {name: clock() for name, clock in CLOCKS.items()}
            writer.save({"model": net.state_dict(), "learners": learners, "random": random_state(), "at": at})
            for name, clock in CLOCKS.items():
                times[name].append(clock() - started[name])
        size = sum(path.stat().st_size for path in Path(directory).iterdir())
    seconds = statistics.median(times["wall"])
    print(f"checkpoint of {sum(each.numel() for each in net.parameters()) / 1e6:.1f} M parameters: {size / 2**20:.0f} MiB,", end=" ")
    print(f"{seconds:.1f} s of wall time, {statistics.median(times['cpu']):.1f} s of the processor's (median of {options.rounds})")
    print(f"memory before {before:.0f} MiB, added by saving {peak() - before:.0f} MiB")
    print(f"{seconds / HOUR:.2%} of an hour each: up to {int(HOUR * SHARE / seconds)} an hour stay within {SHARE:.0%}")


if __name__ == "__main__":
    main()
