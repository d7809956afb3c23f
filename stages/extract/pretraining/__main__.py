"""``python -m stages.extract.pretraining --out DIR``: make the weights of people2d and people3d.

Trains on drawn films and measures a linear probe on films of another seed.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from models.backbones.published import load_into, read_state
from models.backbones.registry import BACKBONES, build
from models.heap import kept_heap
from models.published import find
from stages.extract.pretraining.data import Clips
from stages.extract.pretraining.films import STRIDE, Film, films
from stages.extract.pretraining.labels import ACTOR_GROUPS, Vocabulary, build_vocabulary, facts
from stages.extract.pretraining.probe import linear_probe
from stages.extract.pretraining.training import Recipe, train

LOG = logging.getLogger("pretraining")
PAIR_WEIGHT = 0.4
EVERY = 2  # kept frames are alike: every second is enough
NETS = ("people2d", "people3d")
#: of each net: how its input is normalised
NORMS = {"people2d": "imagenet", "people3d": "raw255"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m stages.extract.pretraining", description="make the weights of people2d and people3d")
    parser.add_argument("--drawings", type=int, action="append", help="seed of the films to train on, from 1000; repeat for more")
    parser.add_argument("--films", type=int, default=2500, help="of each seed")
    parser.add_argument("--held-out", type=int, default=2000, help="seed of the films to measure on")
    parser.add_argument("--held-out-films", type=int, default=600)
    parser.add_argument("--cache", type=Path, help="folder where films are kept, 0.9 MB each; the default is that of the weights")
    parser.add_argument("--out", type=Path, required=True, help="where the weights go")
    parser.add_argument("--net", choices=NETS, action="append", help="train only this one (people3d shares people2d's first stages)")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-3, help="learning rate")
    parser.add_argument("--onward", action="store_true", help="begin with the weights of this network that kdpipe has")
    parser.add_argument("--half", action="store_true", help="compute in bfloat16")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.net or NETS:
        report = make(name, options)
        (options.out / f"{name}_world.json").write_text(json.dumps(report, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


def make(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Train ``name``, write its weights, and return what the probe says of it and of the same network untrained."""
    cache = options.cache or options.out
    learned = [film for seed in options.drawings or (1500, 1501) for film in films(cache, seed, options.films)]
    vocabulary = build_vocabulary((facts(film.plan, t, t) for film in learned for t in film.times[::EVERY].tolist()), least=60)
    LOG.info("%s: %d films, %d labels", name, len(learned), vocabulary.size)
    data = _data(name, learned, vocabulary)
    torch.manual_seed(options.seed)
    net = build(name)
    if options.onward:
        load_into(net, read_state(find(name, "world").path), name)
    if name == "people3d":
        _share(net, options.out / "people2d_world.safetensors", net.trunk, frozen=True)
    elif not options.onward:
        _share(net, find("pose2d", "world").path, ("conv1", "bn1", "layer1", "layer2", "layer3"))
    classes = [len(vocabulary.groups[group]) + 1 for group in ACTOR_GROUPS]
    recipe = Recipe(options.steps, options.batch, options.rate, options.seed, options.half)
    with kept_heap():
        trained = train(net, BACKBONES[name].width, data.targets.mean(0), classes, data.sample, _weights(vocabulary), recipe)
    state = {key: value.half() if value.is_floating_point() else value for key, value in trained.state_dict().items()}
    save_file(state, options.out / f"{name}_world.safetensors")
    probe = _data(name, films(cache, options.held_out, options.held_out_films), vocabulary)
    torch.manual_seed(options.seed + 1)
    return {
        "trained": _probe(trained, probe, vocabulary),
        "untrained": _probe(build(name).eval(), probe, vocabulary),
        "labels": vocabulary.size,
        "steps": options.steps,
        "batch": options.batch,
    }


def _share(net: torch.nn.Module, file: Path, stages: tuple[str, ...], frozen: bool = False) -> None:
    """Put the ``stages`` of another network, whose weights are in ``file``, into ``net``."""
    state = read_state(file)
    for stage in stages:
        own = {name.removeprefix(f"{stage}."): value for name, value in state.items() if name.startswith(f"{stage}.")}
        load_into(getattr(net, stage), own, file.name).requires_grad_(not frozen)


def _weights(vocabulary: Vocabulary) -> np.ndarray:
    """Single facts weigh 1, pairs 0.4: there are many more of them."""
    weights = np.ones(vocabulary.size, np.float32)
    for group, span in vocabulary.spans().items():
        weights[span] = PAIR_WEIGHT if " " in group else 1.0
    return weights


def _data(name: str, some: list[Film], vocabulary: Vocabulary) -> Clips:
    length = max(1, BACKBONES[name].frames // STRIDE)
    return Clips(some, vocabulary, length, EVERY if length == 1 else length // 2, NORMS[name])


@torch.inference_mode()
def _features(net: torch.nn.Module, data: Clips) -> np.ndarray:
    return np.concatenate([net.feature(torch.from_numpy(data.all(i, i + 32))).numpy() for i in range(0, len(data.targets), 32)])


def _probe(net: torch.nn.Module, data: Clips, vocabulary: Vocabulary) -> dict[str, dict[str, float]]:
    features = _features(net, data)
    return linear_probe(features, data.targets, data.video, vocabulary)


if __name__ == "__main__":
    raise SystemExit(main())
