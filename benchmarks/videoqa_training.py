"""Questions a second of videoqa's training: as published, and with the questions of a video together, which is then encoded once.

    python benchmarks/videoqa_training.py                          # published sizes, MSVD's 25 questions a video, batches of 256
    python benchmarks/videoqa_training.py --layers 1 --rounds 3    # the student alone

Steps of both ways by turns, in one process, with drawn features in files: reading, network, losses, gradients and optimiser, of the
processor (all threads). The last line is JSON: ``--together`` over ``--together 1``, median of the pairs, in questions a second.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.numpy import save_file

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT)]

from cache.hdf5 import FeatureWriter  # noqa: E402
from models.training.clipping import total_norm  # noqa: E402
from models.training.schedules import constant  # noqa: E402
from models.training.updates import Group, Learner, Update  # noqa: E402
from systems.videoqa import TeacherParams  # noqa: E402
from systems.videoqa.data import Features, Split  # noqa: E402
from systems.videoqa.model import DualVGR  # noqa: E402
from systems.videoqa.train import VideoQATask  # noqa: E402

WORDS, ANSWERS, TOKENS, CLIPS, FRAMES, VISION = 4000, 1852, 20, 8, 16, 2048
CLIP, RATE = 12.0, 1e-4


class Way(NamedTuple):
    """A training, and its batches of the first epoch."""

    learner: Learner
    batches: list[torch.Tensor]


def draw(directory: Path, videos: int, questions: int) -> Split:
    """Features of ``videos``, and so many ``questions`` about each, in files as the stages write them."""
    random = np.random.default_rng(0)
    paths = {name: directory / name for name in ("appearance", "motion", "questions")}
    for path in paths.values():
        path.mkdir()
    for kind, shape in (("appearance", (CLIPS, FRAMES, VISION)), ("motion", (CLIPS, VISION))):
        with FeatureWriter(paths[kind] / "feat.h5", "features", [str(video) for video in range(videos)], shape) as file:
            for _ in range(videos):
                file.append(random.random(shape, np.float32))
        (paths[kind] / "features.json").write_text(json.dumps({"file": "feat.h5", "array": "features"}))
    count = videos * questions
    lengths = random.integers(3, 12, count)
    tokens = random.integers(2, WORDS, (count, TOKENS)) * (np.arange(TOKENS) < lengths[:, None])
    rows = {
        "tokens": tokens.astype(np.int32),
        "lengths": lengths.astype(np.int32),
        "answers": random.integers(2, ANSWERS, count),
        "video_ids": np.repeat(np.arange(videos), questions),
        "question_ids": np.arange(count),
    }
    save_file(rows, paths["questions"] / "train.safetensors")
    return Split(paths["questions"], "train", Features(paths["appearance"], paths["motion"]))


def way(split: Split, options: argparse.Namespace, together: int) -> Way:
    """The training of a DualVGR with ``together`` questions of a video in a row."""
    torch.manual_seed(0)
    video_dropout = "paper" if together == 1 else "shared"
    sizes = {"question_vocab_size": WORDS, "answer_vocab_size": ANSWERS, "num_of_nodes": CLIPS, "graph_layers": options.layers}
    net = DualVGR(**sizes, vision_dim=VISION, module_dim=options.width, video_dropout=video_dropout).train()
    params = TeacherParams(batch_size=options.batch, together=together, video_dropout=video_dropout)
    task = VideoQATask(net, split, split, params, "cpu")
    update = Update("network", task.batches, task.loss, [Group(list(net.parameters()), constant(RATE))], clip=total_norm(CLIP))
    return Way(Learner(update), [batch for batch in task.batches(0) if len(batch) == options.batch])


def seconds(way: Way, number: int) -> float:
    """Of the processor, for a step on the batch ``number``."""
    begun = time.process_time()
    way.learner.learn(way.batches[number % len(way.batches)], 0, last=False)
    return time.process_time() - begun


def main() -> None:
    """Print what both ways do in a second, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {"videos": 300, "questions": 25, "together": 25, "batch": 256, "width": 768, "layers": 4}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3, help="pairs of steps, whose median counts")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as directory:
        split = draw(Path(directory), options.videos, options.questions)
        ways = {together: way(split, options, together) for together in (1, options.together)}
        for each in ways.values():
            seconds(each, 0)  # the first step also builds what the optimiser keeps
        pairs = [[seconds(each, number) for each in ways.values()] for number in range(1, options.rounds + 1)]
    for together, times in zip(ways, zip(*pairs)):
        videos = len(split.videos[ways[together].batches[0]].unique())
        rate = options.batch / statistics.median(times)
        print(f"  together {together:3}: {rate:7.1f} questions/s of the processor; {videos} videos in the first batch")
    ratios = [one / other for one, other in pairs]
    print(f"  pair by pair: {[round(ratio, 2) for ratio in ratios]}")
    print(json.dumps({"videoqa.training": {"layers": options.layers, "cpu": round(statistics.median(ratios), 2)}}))


if __name__ == "__main__":
    main()
