"""An evaluation by episodes: features of every video computed once, beside the published procedure.

    python benchmarks/litemkd_evaluate.py [--size 84] [--classes 21] [--videos 2745] [--episodes 10000] [--published 200] [--threads 2]

The default has as many classes and videos as the test split of UCF101. A ResNet-18 student with two branches (random weights: the
work does not depend on them) answers 5-way 5-shot episodes of drawn clips, whose frames are in memory. The published procedure runs the
backbone on all 240 frames of an episode; here it has our head, which is faster than the published one. Ours computes every video once
and compares. Both see frames through the same transform, and the first episodes of both are the same: their accuracies are compared,
one by one. A throughput is episodes a second, everything counted.

``--clock cpu --threads 1`` counts the processor's time, for a machine that others use.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from systems.litemkd.episodes import Shape, pool
from systems.litemkd.metric import summary
from systems.litemkd.model import Student
from systems.litemkd.prepared import by_head, joined
from systems.litemkd.protocol import drawn, episode_accuracies, shared_accuracies
from systems.litemkd.videos import Video
from systems.litemkd.views import network_input, short_side, view

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
#: Share of a picture that is its class's; the rest is the clip's own.
LIKE_ITS_CLASS = 0.25
BATCH = 4


def drawn_clip(label: int, number: int, side: int) -> npt.NDArray[np.uint8]:
    """Eight frames (8, side, side, 3) of coloured cells, which are partly those of the class."""
    of_class, own = np.random.default_rng([label, 0]), np.random.default_rng([label, number + 1])
    cells = [chance.integers(0, 256, (8, 6, 6, 3)) for chance in (of_class, own)]
    mixed = (LIKE_ITS_CLASS * cells[0] + (1 - LIKE_ITS_CLASS) * cells[1]).astype(np.uint8)
    each = -(-side // 6)
    return mixed.repeat(each, 1).repeat(each, 2)[:, :side, :side]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers = {"size": 84, "classes": 21, "videos": 2745, "episodes": 10_000, "published": 200, "threads": 2}
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--network", default="resnet18")
    parser.add_argument("--clock", default="wall", choices=CLOCKS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    clock = CLOCKS[options.clock]
    videos = [Video(f"class{number % options.classes:03d}", f"{number // options.classes:05d}") for number in range(options.videos)]
    frames = {video: drawn_clip(int(video.label[5:]), int(video.name), short_side(options.size)) for video in videos}
    rows = {video: row for row, video in enumerate(videos)}
    student = Student(options.network, "d2m", "d2m").eval()
    tested = pool(videos, frames, Shape(5, 5, 1))

    def pictures(places: list[int]) -> Tensor:
        return torch.from_numpy(network_input(np.stack([view(frames[videos[place]], options.size) for place in places])))

    def published(support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
        return student.answer(student(pictures(support.tolist()), labels, pictures(query.tolist())))

    with torch.inference_mode():
        student(pictures(list(range(5))), torch.arange(5), pictures([0]))  # warm
        began = clock()
        slow = episode_accuracies(tested, rows, published, episodes=options.published)
        theirs = options.published / (clock() - began)
        show("published", options.published, theirs, slow)
        began = clock()
        lots = [list(range(start, min(start + BATCH, len(videos)))) for start in range(0, len(videos), BATCH)]
        answer = by_head(student.classifier, joined([student.prepare(pictures(lot)) for lot in lots]))
        features = clock() - began
        fast = shared_accuracies(drawn(tested, rows, episodes=options.episodes), answer)
        seconds = clock() - began
    show("ours", options.episodes, options.episodes / seconds, fast)
    each = 1e3 * (seconds - features) / options.episodes
    print(f"ours: {features:.1f} s for the features of {len(videos)} videos, {each:.2f} ms an episode")
    count = min(options.published, options.episodes)
    if not np.array_equal(slow[:count], fast[:count]):
        raise SystemExit(f"{int((slow[:count] != fast[:count]).sum())} of {count} episodes have another accuracy")
    print(f"the first {count} episodes have the same accuracies, one by one")
    print(f"throughput ratio {options.episodes / seconds / theirs:.1f}")


def show(name: str, episodes: int, throughput: float, accuracies: npt.NDArray[np.float64]) -> None:
    mean, half = summary(accuracies)
    print(f"{name:<10} {episodes:6d} episodes   {throughput:8.2f} a second   accuracy {mean:.2f} ± {half:.2f} %", flush=True)


if __name__ == "__main__":
    main()
