"""The protocol of evaluation: many episodes, of which each query is right or wrong (spec F).

A network's features of a video do not depend on the episode. So they are computed once, and an episode only compares them; the
published procedure runs the backbone on all frames of every episode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from systems.litemkd.draws import TEST_EPISODE
from systems.litemkd.episodes import Pool, Video
from systems.litemkd.metric import accuracies

#: rows of the support clips, their labels, and rows of the queries, all int64, to logits (Nq, W)
Answer = Callable[[Tensor, Tensor, Tensor], Tensor]


@torch.inference_mode()
def episode_accuracies(
    pool: Pool, rows: Mapping[Video, int], answer: Answer, *, episodes: int, seed: int = 0, first: int = 0, use: int = TEST_EPISODE
) -> npt.NDArray[np.float64]:
    """The accuracy of the episodes ``first`` ... ``first + episodes - 1`` of a seed: (episodes,).

    ``rows`` says where the features of a video are. Different networks asked with one seed answer the same episodes.
    """
    found = []
    for index in range(first, first + episodes):
        episode = pool.episode(seed, index, use)
        support, query = (torch.tensor([rows[video] for video in videos]) for videos in (episode.support, episode.query))
        logits = answer(support, torch.tensor(episode.support_labels), query)
        found.append(accuracies(logits.cpu(), episode.query_labels))
    return np.array(found)
