"""The protocol of evaluation: many episodes, of which each query is right or wrong (spec F).

A network's features of a video do not depend on the episode. So they are computed once, and an episode only compares them; the
published procedure runs the backbone on all frames of every episode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from systems.litemkd.draws import TEST_EPISODE
from systems.litemkd.episodes import Episode, Pool
from systems.litemkd.metric import accuracies
from systems.litemkd.videos import Video

#: rows of the support clips, their labels, and rows of the queries, all int64, to logits (Nq, W)
Answer = Callable[[Tensor, Tensor, Tensor], Tensor]
#: the same of many episodes: rows of the support clips (E, W, K), those of a class together, and of the queries (E, Q) to (E, Q, W)
Answers = Callable[[Tensor, Tensor], Tensor]
#: So many products of tuples are compared at a time: of more, the numbers leave the processor's cache.
LOT = 250_000


@dataclass(frozen=True)
class Drawn:
    """E test episodes of a pool as rows of kept features: ``support`` (E, W, K) by class, ``query`` and its ``labels`` (E, Q)."""

    support: Tensor
    query: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.query)

    def lots(self, device: str, tuples: int) -> list[tuple[Tensor, Tensor]]:
        """The rows, so many episodes at a time that their queries' products with the support clips stay few; a clip has ``tuples``."""
        each = self.query.shape[1] * self.support.shape[1] * self.support.shape[2] * tuples**2
        size = max(1, LOT // each) if device == "cpu" else max(1, 100 * LOT // each)
        return list(zip(self.support.to(device).split(size), self.query.to(device).split(size)))


def drawn(pool: Pool, rows: Mapping[Video, int], *, episodes: int, seed: int = 0, first: int = 0, use: int = TEST_EPISODE) -> Drawn:
    """The episodes ``first`` ... ``first + episodes - 1`` of a seed. ``rows`` says where the features of a video are.

    Different networks asked with one seed answer the same ones. Episodes of another ``use`` have nothing to do with them.
    """
    found = [pool.episode(seed, index, use) for index in range(first, first + episodes)]
    support = torch.tensor([[rows[video] for video in _by_class(episode)] for episode in found])
    query = torch.tensor([[rows[video] for video in episode.query] for episode in found])
    shape = (pool.shape.way, pool.shape.shot)
    return Drawn(support.unflatten(1, shape), query, torch.tensor([episode.query_labels for episode in found]))


def _by_class(episode: Episode) -> list[Video]:
    """The support clips, those of a class together, else in their order."""
    order = sorted(range(len(episode.support)), key=episode.support_labels.__getitem__)
    return [episode.support[place] for place in order]


@torch.inference_mode()
def shared_logits(drawn: Drawn, answers: Answers, *, device: str = "cpu", tuples: int = 28) -> npt.NDArray[np.float32]:
    """Logits (E, Q, W) of all queries, by a network that compares kept features; ``tuples`` of a clip (28 pairs of 8 frames)."""
    found: npt.NDArray[np.float32] = torch.cat([answers(support, query).cpu() for support, query in drawn.lots(device, tuples)]).numpy()
    return found


def shared_accuracies(drawn: Drawn, answers: Answers, *, device: str = "cpu", tuples: int = 28) -> npt.NDArray[np.float64]:
    """The accuracy of every episode (E,), by such a network."""
    return accuracies(shared_logits(drawn, answers, device=device, tuples=tuples), drawn.labels.numpy())


@torch.inference_mode()
def episode_accuracies(
    pool: Pool,
    rows: Mapping[Video, int],
    answer: Answer,
    *,
    episodes: int,
    seed: int = 0,
    first: int = 0,
    use: int = TEST_EPISODE,
) -> npt.NDArray[np.float64]:
    """The same, by a network that is asked one episode after the other, as the published code does."""
    found = []
    for index in range(first, first + episodes):
        episode = pool.episode(seed, index, use)
        support, query = (torch.tensor([rows[video] for video in videos]) for videos in (episode.support, episode.query))
        logits = answer(support, torch.tensor(episode.support_labels), query)
        found.append(accuracies(logits.cpu(), episode.query_labels))
    return np.array(found)
