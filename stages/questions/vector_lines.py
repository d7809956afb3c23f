"""The lines of a text file of word vectors: a word and its numbers, separated by one ASCII space each."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cache.errors import DataError

Vector = npt.NDArray[np.float32]

FORM = "each line is a word and its numbers, separated by one space"


class Lines:
    """What the lines of one file have in common, taken from the first, and what is said of a line that is not so.

    ``width`` is how many numbers follow each word; -1 before the first line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.width = -1
        self._announced = 0
        self._without = 0
        self._is_utf8 = False
        self._first_not_utf8 = 0

    def word(self, line: bytes, number: int) -> bytes | None:
        """The word of a line that is not as most are, or None if it has no vector: a header, a blank line.

        A word may hold blanks itself, as ``. . .`` in glove.840B; fastText ends its lines with one.
        """
        text = line.rstrip(b" \r\n")
        if not line.endswith(b"\n"):
            hint = f"fetch it again; if it is whole, end its last line: echo >> {self.path.name}"
            whole = self.width > 0 and len(text.split(b" ")) > self.width
            told = ", perhaps within its last number: it has no line end" if whole else ": it was cut"
            raise self.wrong(number, f"the file ends within this line{told}", hint)
        if not text or (self.width < 0 and self._begin(text, number)):
            self._without += 1
            return None
        word, _, numbers = text.partition(b" ")
        if text.count(b" ") == self.width and b"n" not in numbers.lower():
            return word
        self.numbers(line, number)
        word = text.rsplit(b" ", self.width)[0]
        if any(map(_is_number, word.split(b" ")[1:])):
            raise self.wrong(number, f"{text.count(b' ')} numbers, where the first line has {self.width}")
        if word != word.strip(b" ") != b"":
            raise self.wrong(number, "two blanks in a row, or one before the word")
        return word

    def numbers(self, line: bytes, number: int) -> Vector:
        """The numbers of a line."""
        word, *fields = line.rstrip(b" \r\n").rsplit(b" ", self.width)
        if len(fields) != self.width:
            raise self.wrong(number, f"{len(fields)} numbers, where the first line has {self.width}")
        try:
            with np.errstate(over="ignore"):
                vector = np.array([float(field) for field in fields], np.float32)
        except ValueError as error:
            raise self.wrong(number, str(error)) from error
        if not np.isfinite(vector).all():
            raise self.wrong(
                number, f"a number of {word[:40].decode(errors='replace')!r} is not finite", "take that line out, or fetch the file again"
            )
        return vector

    def note_encoding(self, word: bytes, number: int) -> None:
        """Note whether ``word``, which is not ASCII, is UTF-8: published files hold some broken words, but not only such."""
        try:
            word.decode()
            self._is_utf8 = True
        except UnicodeDecodeError:
            self._first_not_utf8 = self._first_not_utf8 or number

    def finish(self, number: int) -> None:
        """Raise DataError if the file of ``number`` lines is not what it should be as a whole."""
        words = number - self._without
        if not words:
            raise DataError(f"{self.path} holds no word vectors", hint=f"give a GloVe text file: {FORM}")
        if self._first_not_utf8 and not self._is_utf8:
            raise self.wrong(self._first_not_utf8, "not UTF-8 text", f"iconv -f latin1 -t UTF-8 {self.path.name} > NEW, if it is latin-1")
        if words < self._announced:
            raise self.wrong(number, f"the file ends after {words} words and announces {self._announced}: it was cut", "fetch it again")

    def wrong(self, number: int, what: str, hint: str = FORM) -> DataError:
        """The error of a line."""
        return DataError(f"{self.path}, line {number}: {what}", hint=hint)

    def _begin(self, text: bytes, number: int) -> bool:
        """Take the width from the first line, or from the header that word2vec, fastText and ``glove -write-header`` write: then True."""
        if header := re.fullmatch(rb"(\d{1,18}) (\d{1,6})", text):
            self._announced, self.width = int(header[1]), int(header[2])
        else:
            fields, self.width = text.split(b" "), 0
            while self.width < len(fields) - 1 and _is_number(fields[-1 - self.width]):
                self.width += 1
        if not self.width:
            raise self.wrong(number, "no word with its numbers")
        return header is not None


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
