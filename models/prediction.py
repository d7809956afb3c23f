"""How a system answers about files that are in no dataset: what it declares, what it is given, and what it says. It needs no torch.

``systems/<system>/predict.py`` declares ``PREDICTIONS``, one :class:`Prediction` for each kind of network that can be asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cache.stage import Stage

if TYPE_CHECKING:
    from cache.items import ItemSet


@dataclass(frozen=True)
class Instead:
    """How an input is made of files that was made of no videos in the dataset (frame features that somebody published).

    entry:  the function of a stage. Its context has the parameters of the stage in whose place it works, the frames of the files as
            ``frames``, their sound as ``sound`` (those that have some), and what that stage read, by the names in ``given``.
    frames: parameters of the stage ``sample`` for the frames; sound: those for the sound.
    """

    entry: str
    frames: Mapping[str, Any]
    sound: Mapping[str, Any]
    given: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prediction:
    """How networks of some stages are asked; on the settings of the graph's ``evaluate`` nodes, see :class:`Asked`.

    entry:      ``"package.module:function"``; ``function(asked: Asked) -> Predictor``; imported when there is something to ask.
    stages:     the stages whose networks these are.
    network:    the beginning of the node that answers if nobody names one, ``"student.kd"``.
    made:       those inputs of the network that are made of the files, by the stages that made them of the dataset. ``"dump.frames"`` is
                what its input ``dump`` was made from as ``frames``.
    instead:    input -> how it is made, if not by those stages.
    kept:       inputs that are read as they are in the store.
    maybe:      those of ``made`` and ``kept`` that some of these networks have not.
    params:     inputs whose parameters the predictor has to know; ``""``: those of the network itself.
    shown:      input -> what the evaluation calls it, if not the same: it shows how inputs are made of a network that a file holds.
    streams:    the same of networks of one ``modality`` (a parameter of theirs): modality -> input -> what the evaluation calls it; a
                second name is what that was made from: ``{"flow": {"frames": ("dump.flow", "frames")}}``.
    modalities: what a person may have it look at (``--modality``), the usual first -> the inputs of ``made`` that count then.
    partners:   networks of the same seed that it may be asked with, as its input ``partner``: ``"{}.flow"``; the first that is there.
    question:   it answers questions.
    support:    its classes are given as folders of example videos.
    """

    entry: str
    stages: tuple[Stage, ...]
    network: str
    made: tuple[str, ...]
    instead: Mapping[str, Instead] = field(default_factory=dict)
    kept: tuple[str, ...] = ()
    maybe: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    shown: Mapping[str, str] = field(default_factory=dict)
    streams: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    modalities: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    partners: tuple[str, ...] = ()
    question: bool = False
    support: bool = False


@dataclass(frozen=True)
class Asked:
    """What a predictor is made of. ``network`` and ``kept`` are directories of artifacts; ``top`` is how many choices are wanted.

    ``settings``: the parameters of the evaluation, which may say how outputs become answers. ``params``: those of ``Prediction.params``.
    ``modality``: what it looks at, of ``Prediction.modalities``, "" if there is no choice.
    """

    network: Path
    kept: Mapping[str, Path] = field(default_factory=dict)
    settings: Any = None
    device: str = "cpu"
    threads: int = 1
    top: int = 5
    params: Mapping[str, Any] = field(default_factory=dict)
    modality: str = ""


@dataclass(frozen=True)
class Made:
    """What was made of some files: their ids, and directories and item sets by the names of the network's inputs."""

    ids: Sequence[str]
    inputs: Mapping[str, Path]
    items: Mapping[str, ItemSet] = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """A question: its text, its token ids, and those of its words that the vocabulary lacks."""

    text: str
    tokens: tuple[int, ...]
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """An answer, class or label, and how probable the network says it is; of one that says no probabilities (None) its score."""

    name: str
    probability: float | None = None
    score: float | None = None


@dataclass(frozen=True)
class Segment:
    """A part of a video: its class, its score, and start and end in seconds."""

    name: str
    score: float
    start: float
    end: float


@dataclass(frozen=True)
class Answer:
    """What is said of a file: choices, the best first, or segments by falling score. ``what`` is what they are: ``"answers"``.

    ``lack``: why nothing can be said.
    """

    what: str
    choices: tuple[Choice, ...] = ()
    segments: tuple[Segment, ...] = ()
    lack: str = ""


class Predictor(Protocol):
    """A network that was loaded, asked as often as one likes."""

    def answers(self, made: Made, question: Question | None) -> Iterator[tuple[str, Answer]]:
        """Yield (id, answer) of every file, in the order of ``made.ids``."""


class Learner(Predictor, Protocol):
    """One that is shown examples first: of a system whose predictions say ``support``."""

    def learn(self, made: Made, classes: Mapping[str, Sequence[str]]) -> Mapping[str, str]:
        """Take examples for classes (name -> ids), and return why some (ids) are of no use."""


def ranked(names: Sequence[str], probabilities: Sequence[float], top: int, *, by: Sequence[float] = ()) -> tuple[Choice, ...]:
    """The ``top`` of ``names`` with the highest probabilities, or the highest ``by``; of equal ones the first in order."""
    order = sorted(range(len(names)), key=lambda place: -(by or probabilities)[place])[:top]
    return tuple(Choice(str(names[place]), float(probabilities[place])) for place in order)


def scored(names: Sequence[str], scores: Sequence[float], top: int) -> tuple[Choice, ...]:
    """The ``top`` of ``names`` with the highest scores; of equal ones the first in order."""
    order = sorted(range(len(names)), key=lambda place: -scores[place])[:top]
    return tuple(Choice(str(names[place]), score=float(scores[place])) for place in order)
