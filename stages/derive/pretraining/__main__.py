"""``python -m stages.derive.pretraining NETWORK --out DIR``: make the weights of one of the small networks."""

from __future__ import annotations

import argparse
import importlib
import json
import logging
from pathlib import Path

import torch

#: command -> its module, which has ``HELP``, ``add_options(parser)`` and ``make(options) -> report``; and whose weights it makes
COMMANDS = {
    "depth": ("stages.derive.pretraining.depth", "small-depth"),
    "flow": ("stages.derive.pretraining.flow", "small-flow"),
    "pose": ("stages.derive.pretraining.pose", "small-pose"),
}


def main() -> int:
    """Train, write ``<network>_world.safetensors`` and a report beside it."""
    parser = argparse.ArgumentParser(prog="python -m stages.derive.pretraining", description="make the weights of the small networks")
    commands = parser.add_subparsers(dest="command", required=True)
    modules = {}
    for name, (module, _) in COMMANDS.items():
        modules[name] = importlib.import_module(module)
        command = commands.add_parser(name, help=modules[name].HELP, description=modules[name].HELP)
        command.add_argument("--out", type=Path, required=True, help="where the weights and the report go")
        command.add_argument("--threads", type=int, default=1)
        command.add_argument("--seed", type=int, default=0, help="of the training; the drawings have seeds of their own")
        modules[name].add_options(command)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    report = modules[options.command].make(options)
    text = json.dumps(report, indent=1, sort_keys=True) + "\n"
    (options.out / f"{COMMANDS[options.command][1]}_world.json").write_text(text, encoding="utf-8")
    logging.getLogger("pretraining").info(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
