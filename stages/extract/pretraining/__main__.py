"""``python -m stages.extract.pretraining --world DIR --probe DIR --out DIR``: make the weights of small2d and small3d.

Trains on the training split of the world in ``--world`` and measures a linear probe on all of ``--probe``, a world of another seed.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from models.backbones.published import load_into, read_state
from models.backbones.registry import BACKBONES, build
from stages.extract.pretraining.data import Clips, Film, read_film, read_truth
from stages.extract.pretraining.labels import ACTOR_GROUPS, Vocabulary, build_vocabulary, facts
from stages.extract.pretraining.probe import linear_probe
from stages.extract.pretraining.training import Recipe, train

LOG = logging.getLogger("pretraining")
PAIR_WEIGHT = 0.4
EVERY = 3  # frames of a video are alike: every third is enough


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m stages.extract.pretraining", description="make the weights of small2d and small3d")
    parser.add_argument(
        "--world", type=Path, required=True, action="append", help="drawn world to train on (its training split); repeat for more"
    )
    parser.add_argument("--probe", type=Path, required=True, help="drawn world of another seed to measure on (all of it)")
    parser.add_argument("--out", type=Path, required=True, help="where the weights go")
    parser.add_argument(
        "--net",
        choices=("small2d", "small3d"),
        action="append",
        help="train only this one (small3d shares small2d's first stages: small2d first)",
    )
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-3, help="learning rate")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.net or ("small2d", "small3d"):
        report = make(name, options)
        (options.out / f"{name}_world.json").write_text(json.dumps(report, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


def make(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Train ``name``, write its weights, and return what the probe says of it and of the same network untrained."""
    size = BACKBONES[name].image_size
    films = [film for world in options.world for film in _films(world, ["train"], size)]
    every_fact = [facts(film.plan, t, t) for film in films for t in film.times[::EVERY].tolist()]
    vocabulary = build_vocabulary(every_fact, least=60)
    LOG.info("%s: %d videos, %d labels", name, len(films), vocabulary.size)
    data = _data(name, films, vocabulary)
    torch.manual_seed(options.seed)
    net = build(name)
    if name == "small3d":
        _share_trunk(net, options.out / "small2d_world.safetensors")
    classes = [len(vocabulary.groups[group]) + 1 for group in ACTOR_GROUPS]
    recipe = Recipe(options.steps, options.batch, options.rate, options.seed)
    trained = train(net, BACKBONES[name].width, data.targets.mean(0), classes, data.sample, _weights(vocabulary), recipe)
    state = {key: value.half() if value.is_floating_point() else value for key, value in trained.state_dict().items()}
    save_file(state, options.out / f"{name}_world.safetensors")
    del films, data
    probe = _data(name, _films(options.probe, ["train", "val", "test"], size), vocabulary)
    torch.manual_seed(options.seed + 1)
    return {
        "trained": _probe(trained, probe, vocabulary),
        "untrained": _probe(build(name).eval(), probe, vocabulary),
        "labels": vocabulary.size,
        "steps": options.steps,
        "batch": options.batch,
    }


def _share_trunk(net: torch.nn.Module, small2d: Path) -> None:
    """Put the frame-wise stages of the trained small2d into ``net`` and freeze them."""
    state = read_state(small2d)
    for stage in net.trunk:
        module = getattr(net, stage)
        own = {name.removeprefix(f"{stage}."): value for name, value in state.items() if name.startswith(f"{stage}.")}
        load_into(module, own, small2d.name).requires_grad_(False)


def _weights(vocabulary: Vocabulary) -> np.ndarray:
    """Single facts weigh 1, pairs 0.4: there are many more of them."""
    weights = np.ones(vocabulary.size, np.float32)
    for group, span in vocabulary.spans().items():
        weights[span] = PAIR_WEIGHT if " " in group else 1.0
    return weights


def _films(world: Path, splits: Sequence[str], size: int) -> list[Film]:
    return [read_film(world, row, size) for row in read_truth(world, splits)]


def _data(name: str, films: Sequence[Film], vocabulary: Vocabulary) -> Clips:
    frames = BACKBONES[name].frames
    return Clips(films, vocabulary, frames, EVERY if frames == 1 else frames // 2)


@torch.inference_mode()
def _features(net: torch.nn.Module, data: Clips) -> np.ndarray:
    return np.concatenate([net.feature(torch.from_numpy(data.all(i, i + 32))).numpy() for i in range(0, len(data.targets), 32)])


def _probe(net: torch.nn.Module, data: Clips, vocabulary: Vocabulary) -> dict[str, dict[str, float]]:
    features = _features(net, data)
    return linear_probe(features, data.targets, data.video, vocabulary)


if __name__ == "__main__":
    raise SystemExit(main())
