"""Training on episodes: the task that experts, teacher and students give to the shared loop, and the recipe of their parameters.

An update has an episode as its batch: a number, from which everything follows (:mod:`systems.litemkd.draws`). An "epoch" is a stretch of
``record_every`` episodes that becomes a line of the curves; its end is always the end of a step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from cache.stage import Context
from models.training.clipping import total_norm
from models.training.loop import Recipe, fit
from models.training.result import Result
from models.training.schedules import by_batch, constant
from models.training.selection import LAST, Selection
from models.training.updates import Group, Loss, Update, adam
from systems.litemkd.draws import VAL_EPISODE
from systems.litemkd.episodes import Episode, Pool, Shape, pool
from systems.litemkd.protocol import Answer, episode_accuracies
from systems.litemkd.videos import Video, counts, ways_of_validation

Made = tuple[Tensor, Mapping[str, Tensor], Tensor]


class Lesson(Protocol):
    """What an episode is for a network."""

    @property
    def model(self) -> nn.Module:
        """The network."""
        ...

    def parameters(self) -> Sequence[nn.Parameter]:
        """Those that learn."""
        ...

    def fetch(self, episode: Episode, number: int) -> Any:
        """The data of a training episode, on the CPU; called ahead, in another thread."""
        ...

    def teach(self, data: Any, labels: Tensor, wanted: Tensor) -> Made:
        """The loss, its parts, and the answers (Nq, W), detached; labels (Ns,) and ``wanted`` (Nq,) are int64."""
        ...

    def answers(self, videos: Sequence[Video]) -> Answer:
        """What answers episodes of these videos by their places; the model is in eval mode."""
        ...


class EpisodeTask:
    """A lesson over the episodes of a pool; ``val`` are the episodes that it is selected by."""

    def __init__(self, lesson: Lesson, pool: Pool, val: Pool | None, params: Any, device: str) -> None:
        self.lesson, self.pool, self.val, self.params, self.device = lesson, pool, val, params, device
        self.model: nn.Module = lesson.model
        self.ahead: Callable[[int], Any] = self.fetched

    def batches(self, epoch: int) -> range:
        """The numbers of the episodes of an epoch."""
        return stretch(self.params, epoch)

    def loss(self, number: int) -> Loss:
        """Loss, parts and the share of right answers of an episode."""
        episode, data = self.ahead(number)
        labels, wanted = (torch.tensor(part, device=self.device) for part in (episode.support_labels, episode.query_labels))
        total, parts, answers = self.lesson.teach(data, labels, wanted)
        right = (answers.argmax(1) == wanted).float().mean()
        return total, {**parts, "accuracy": right}, len(wanted)

    def fetched(self, number: int) -> tuple[Episode, Any]:
        """An episode and its data."""
        episode = self.pool.episode(self.params.seed, number)
        return episode, self.lesson.fetch(episode, number)

    def kept(self) -> nn.Module:
        """The network."""
        return self.model

    def validate(self) -> Mapping[str, float]:
        """Accuracy over the validation's episodes, if there are any."""
        if self.val is None:
            return {}
        videos = [video for own in self.val.videos for video in own]
        rows, params = {video: row for row, video in enumerate(videos)}, self.params
        answer = self.lesson.answers(videos)
        found = episode_accuracies(self.val, rows, answer, episodes=params.val_episodes, seed=params.seed, use=VAL_EPISODE)
        return {"accuracy": float(found.mean())}


class Ahead:
    """Fetches the next episodes in threads while one is learnt. What is fetched does not depend on it."""

    def __init__(self, fetch: Callable[[int], Any], total: int, threads: int) -> None:
        self._fetch, self._total, self._threads = fetch, total, threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="episodes")
        self._waiting: dict[int, Future[Any]] = {}

    def __call__(self, number: int) -> Any:
        """The data of an episode; those after it are begun."""
        for later in range(number, min(number + self._threads + 1, self._total)):
            if later not in self._waiting:
                self._waiting[later] = self._pool.submit(self._fetch, later)
        return self._waiting.pop(number).result()

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(cancel_futures=True)


def stretch(params: Any, epoch: int) -> range:
    """The numbers of the episodes of an epoch. The first is shorter by what its first step is."""
    offset = _first(params) - params.accumulate
    start, stop = (number * params.record_every + offset for number in (epoch, epoch + 1))
    return range(max(start, 0), min(stop, params.episodes))


def epochs(params: Any) -> int:
    """How many epochs the episodes make."""
    return math.ceil((params.episodes + params.accumulate - _first(params)) / params.record_every)


def _first(params: Any) -> int:
    """Episodes of the first step."""
    return int(params.accumulate) - int(params.switch("first_step") == "short")


def train(ctx: Context, lesson: Lesson, pools: tuple[Pool, Pool | None]) -> Result:
    """Run the shared loop on the episodes of the stage's parameters."""
    params, section = ctx.params, section_of(ctx)
    task = EpisodeTask(lesson, *pools, params, ctx.device)
    rate = by_batch(params.lr, params.milestones, params.decay)
    group = Group(list(lesson.parameters()), rate, constant(params.weight_decay))
    update = Update(
        "network",
        task.batches,
        task.loss,
        [group],
        optimizer=adam if params.optimiser == "adam" else sgd(params.momentum),
        clip=total_norm(params.clip) if params.clip > 0 else None,
        accumulate=params.accumulate,
        summed=True,
        first=_first(params),
    )
    recipe = Recipe(epochs(params), [update], Selection("accuracy") if params.select == "val" else LAST)
    with Ahead(task.fetched, params.episodes, max(1, min(ctx.workers, 4))) as task.ahead:
        return fit(task, recipe, ctx.scratch, ctx.progress, section=section)


def sgd(momentum: float) -> Callable[[list[dict[str, Any]]], torch.optim.Optimizer]:
    """Stochastic gradient descent."""
    return lambda groups: torch.optim.SGD(groups, momentum=momentum)


def pools(ctx: Context, train: Sequence[Video], val: Sequence[Video], there: set[str]) -> tuple[Pool, Pool | None]:
    """The pool of training, and that of validation if weights are selected by it: with fewer ways, if there are fewer classes.

    Raises DataError if there are too few videos.
    """
    params = ctx.params
    shape = Shape(params.way, params.shot, params.queries)
    here = {video for video in (*train, *val) if video.name in there}
    own = pool(train, here, shape)
    if params.select != "val":
        return own, None
    way = ways_of_validation(counts(video for video in val if video in here), params.way, params.shot, section_of(ctx))
    return own, pool(val, here, replace(shape, way=way, queries=1))


def about(pools: tuple[Pool, Pool | None]) -> dict[str, Any]:
    """What ``model.json`` says of the videos."""
    told = {}
    for name, own in zip(("train", "val"), pools):
        if own is not None:
            counts = {"videos": sum(map(len, own.videos)), "classes": len(own.videos)}
            told[name] = {**counts, "missing": len(own.missing), "classes_left_out": list(own.small)}
    return told


def section_of(ctx: Context) -> str:
    """The part of the configuration that a node's parameters stand in."""
    return ctx.node.rpartition(".s")[0] or ctx.node or "train"
