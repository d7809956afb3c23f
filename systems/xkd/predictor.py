"""The class of a file that is seen, heard or both, from the fixed clips of it that tests see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from cache.errors import DataError
from cache.json_files import read_json
from models.prediction import Answer, Asked, Made, Question, ranked, scored
from models.training.determinism import make_deterministic
from systems.xkd import metrics
from systems.xkd.classifier import Finetuned
from systems.xkd.encode import tested
from systems.xkd.linear_svm import BOTH, joined, read_svms
from systems.xkd.listed import listed
from systems.xkd.recordings import SOURCES, Recordings
from systems.xkd.seen import Look
from systems.xkd.sizes import ViewSizes
from systems.xkd.svm import Linear
from systems.xkd.trained import Trained, read
from systems.xkd.tune import PROTOCOL, look_of, read_tuned


@dataclass(frozen=True)
class Separating:
    """Frozen encoders, an SVM on what they make of ``modalities``, the parameters of ``encode``, and how many classes are said."""

    encoders: Trained
    svm: Linear
    names: Sequence[str]
    modalities: tuple[str, ...]
    params: Any
    device: str
    top: int

    def answers(self, made: Made, question: Question | None) -> Iterator[tuple[str, Answer]]:
        """The classes of each file by the SVM's decision values, which are no probabilities; those that it learnt."""
        recordings = recordings_of(made, self.modalities, self.encoders.look.sizes)
        known = np.flatnonzero(np.isfinite(self.svm.bias)).tolist()
        for id in made.ids:
            recording = recordings(id)
            own = [tested(self.encoders, recording, self.params, modality, self.device)[None] for modality in self.modalities]
            decisions = self.svm.decisions(joined(*own) if len(own) > 1 else own[0])[0]
            yield id, Answer("classes", scored([self.names[place] for place in known], decisions[known].tolist(), self.top))


@dataclass(frozen=True)
class Telling:
    """An encoder with a head, what it sees, the parameters of its stage, and whether files may have several classes."""

    network: Finetuned
    look: Look
    names: Sequence[str]
    params: Any
    protocol: str
    several: bool
    device: str
    top: int

    @torch.inference_mode()
    def answers(self, made: Made, question: Question | None) -> Iterator[tuple[str, Answer]]:
        """The classes of each file: the mean over clips of the softmax, or where files have several classes of what each has alone."""
        params = self.params
        recordings = recordings_of(made, (params.modality,), self.look.sizes)
        for id in made.ids:
            clips = self.look.test(recordings(id), params.test_clips, params.crops, params.modality, self.protocol)
            logits = self.network(torch.from_numpy(clips).to(self.device)).float().cpu().numpy()[None]
            said = metrics.each_over_clips(logits) if self.several else metrics.over_clips(logits)
            yield id, Answer("labels" if self.several else "classes", ranked(self.names, said[0].tolist(), self.top))


def recordings_of(made: Made, modalities: tuple[str, ...], sizes: ViewSizes) -> Recordings:
    """What was sampled of files, by the names that readers know; inputs may be those of another stage, as ``features.frames``."""
    inputs: Mapping[str, Any] = {alias.rpartition(".")[2]: path for alias, path in made.inputs.items()}
    items = {alias.rpartition(".")[2]: found for alias, found in made.items.items()}
    wanted = {SOURCES[modality] for modality in modalities}
    assert wanted <= items.keys()
    return Recordings(inputs, items, modalities, fps=sizes.fps, rate=sizes.rate)


def load_svm(asked: Asked) -> Separating:
    """The SVM of an artifact that looks at what is asked for, and the encoders under it."""
    params = asked.params["features"]
    make_deterministic(0, threads=asked.threads)
    names, svms = read_svms(asked.network)
    if asked.modality not in svms:
        raise DataError(f"this SVM was not trained on {asked.modality}", hint=f"--modality {next(iter(svms))}")
    modalities = ("video", "audio") if asked.modality == BOTH else (asked.modality,)
    encoders = read(asked.kept["features.pretrain"], asked.device)
    return Separating(encoders, svms[asked.modality], names, modalities, params, asked.device, asked.top)


def load_tuned(asked: Asked) -> Telling:
    """The encoder and the head of an artifact."""
    params = asked.params[""]
    make_deterministic(0, threads=asked.threads)
    network, about = read_tuned(asked.network, asked.device)
    sizes = Look.of_trained(read_json(asked.kept["pretrain"] / "model.json")).sizes
    several = listed(asked.kept["index"], about["split"]).multi_label
    names = [str(name) for name in about["classes"]]
    return Telling(network, look_of(params, sizes), names, params, PROTOCOL[about["frozen"]], several, asked.device, asked.top)
