"""Files made ready lot by lot, and a network that is asked about them; it is loaded once, and while the first files are decoded."""

from __future__ import annotations

import contextlib
import importlib
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import cast

from cache.errors import KdpipeError
from cache.stage import Progress, Quiet
from models.prediction import Answer, Asked, Learner, Made, Predictor, Question
from pipeline.judge import Judge
from pipeline.predict.files import File
from pipeline.predict.making import Workshop, lots, make
from pipeline.predict.network import Chosen
from pipeline.predict.recipe import Recipe, recipe_of
from pipeline.progress import Bars
from pipeline.runner import Options
from pipeline.text import line_text

#: So many files are made ready without a progress bar.
FEW = 3


@dataclass(frozen=True)
class Said:
    """What is said of a file, to a question or to none; or ``lack``, why nothing is. ``note`` is what a person has to know of it."""

    file: str
    question: str = ""
    answer: Answer | None = None
    lack: str = ""
    note: str = ""


class Asking:
    """A network that is asked, in a directory that is removed afterwards; ``keep``: what was made of the files stays for more questions."""

    def __init__(self, judge: Judge, chosen: Chosen, options: Options, *, modality: str = "", top: int = 5, keep: bool = False) -> None:
        self._chosen, self._options, self._top, self._keep = chosen, options, top, keep
        self._recipe: Recipe = recipe_of(judge, chosen, modality)
        judge.store.check_object(chosen.record.object)
        self._network, self._device = judge.store.files(chosen.record), judge.device
        scored = [node for node in judge.graph.nodes.values() if node.stage.name == "evaluate"]
        self._settings = scored[0].params if scored else None
        self._place = Path(tempfile.mkdtemp(prefix="kdpipe-predict-"))
        self._loading = threading.Thread(target=self._load_code, daemon=True)
        self._made: list[Made] = []
        self._known: dict[str, File] = {}
        self._notes: dict[str, str] = {}
        self._predictor: Predictor | None = None
        self._encode: Callable[[str], Question] | None = None

    def __enter__(self) -> Asking:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        shutil.rmtree(self._place, ignore_errors=True)
        if self._loading.ident is not None:
            self._loading.join()  # an interpreter that ends while torch is loaded may crash

    @property
    def hears(self) -> bool:
        """Whether files need no picture, only sound."""
        return self._recipe.hears

    def learn(self, classes: Mapping[str, Sequence[File]]) -> Iterator[Said]:
        """Show examples; yields those that cannot be read. Raises KdpipeError if a class is left without one."""
        files = [file for of_class in classes.values() for file in of_class]
        if not files:
            return
        made, lost, place = self._ready(files)
        for one in made:
            ids = set(one.ids)
            own = {name: [file.id for file in of_class if file.id in ids] for name, of_class in classes.items()}
            lost |= cast(Learner, self.predictor).learn(one, own)
        shutil.rmtree(place)
        for id, reason in lost.items():
            yield Said(self._known[id].name, lack=reason)
        if empty := [name for name, of_class in classes.items() if all(file.id in lost for file in of_class)]:
            raise KdpipeError(f"no example of {', '.join(map(line_text, empty))} can be used")

    def about(self, files: Sequence[File], questions: Iterable[str]) -> Iterator[Said]:
        """Make the files ready and answer each question about each; without a question, say what each is, unless one has to be asked."""
        texts, asked = list(questions), list[Question]()
        for lot in lots(files):
            made, lost, place = self._ready(lot)
            for id, reason in lost.items():
                yield Said(self._known[id].name, lack=reason)
            asked = asked or [self.question(text) for text in texts]
            for question in asked or ([] if self._chosen.how.question else [None]):
                yield from self._answers(made, question)
            if self._keep:
                self._made += made
            else:
                shutil.rmtree(place)

    def again(self, text: str) -> Iterator[Said]:
        """Answer another question about all files that were made ready."""
        try:
            question = self.question(text)
        except KdpipeError as error:
            yield Said("", text, lack=error.message)
            return
        yield from self._answers(self._made, question)

    def question(self, text: str) -> Question:
        """A question by the vocabulary of the network. Raises DataError for one without a word."""
        if self._encode is None:
            from stages.questions.asked import encode, load_vocabulary

            vocabulary = load_vocabulary(self._recipe.kept["questions"])
            self._encode = lambda text: Question(text, *encode(text, vocabulary))
        return self._encode(text)

    @property
    def predictor(self) -> Predictor:
        """The network, loaded when it is first needed."""
        if self._predictor is None:
            module, _, function = self._chosen.how.entry.partition(":")
            own = self._recipe
            asked = Asked(self._network, own.kept, self._settings, self._device, self._options.threads, self._top, own.params, own.modality)
            found: Predictor = getattr(importlib.import_module(module), function)(asked)
            self._predictor = found
        return self._predictor

    def _load_code(self) -> None:
        """Import what will be needed; whatever fails then fails again where it is used."""
        with contextlib.suppress(Exception):
            for entry in (self._chosen.how.entry, *(step.entry for step in self._recipe.steps.values())):
                importlib.import_module(entry.partition(":")[0])
            if self._chosen.how.question:
                importlib.import_module("stages.questions.asked")

    def _ready(self, files: Sequence[File]) -> tuple[list[Made], dict[str, str], Path]:
        """What was made of files, why nothing was made of some (ids), and the directory where it lies."""
        self._known |= {file.id: file for file in files}
        if self._loading.ident is None and any(not file.lack for file in files):
            self._loading.start()  # torch takes seconds: meanwhile files are decoded
        place = Path(tempfile.mkdtemp(dir=self._place))
        quiet = len(files) <= FEW and self._options.progress == "bar"
        progress: Callable[..., Progress] = Quiet if quiet else Bars("predict", self._options.progress)
        options = self._options
        outcome = make(Workshop(place, self._recipe, progress, options.workers, options.threads, self._device), files)
        self._notes |= outcome.notes
        return outcome.made, outcome.lost, place

    def _answers(self, made: Iterable[Made], question: Question | None) -> Iterator[Said]:
        for one in made:
            for id, answer in self.predictor.answers(one, question):
                name, text = self._known[id].name, question.text if question else ""
                yield Said(name, text, lack=answer.lack) if answer.lack else Said(name, text, answer, note=self._note(id, question))

    def _note(self, id: str, question: Question | None) -> str:
        unknown = f"not in the vocabulary: {', '.join(question.unknown)}" if question and question.unknown else ""
        return "; ".join(note for note in (self._notes.get(id, ""), unknown) if note)
