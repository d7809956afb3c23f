"""NLTK's word tokenizer without the rest of NLTK."""

from __future__ import annotations

import subprocess
import sys

import pytest

from stages.questions.treebank import word_tokenizer
from tests.command import PROJECT

SENTENCES = (
    "who can't jump",
    "isn't it a cannot-do thing, gimme (two) more'n that",
    "what's the man's name? he said \"it's 5'9\" and left... wanna go",
    "d'ye see $3.50 & 20% of u.s. dogs -- or [cats]",
    "",
)


@pytest.mark.parametrize("text", SENTENCES)
def test_it_splits_as_that_of_the_whole_library(text: str) -> None:
    from nltk.tokenize import NLTKWordTokenizer

    assert word_tokenizer().tokenize(text) == NLTKWordTokenizer().tokenize(text)


def test_nothing_else_is_loaded_and_the_library_can_be_imported_afterwards() -> None:
    code = (
        "import sys; from stages.questions.treebank import word_tokenizer; w = word_tokenizer()\n"
        "print([m for m in ('nltk', 'scipy', 'sklearn', 'pandas', 'numpy') if m in sys.modules], w.tokenize(\"who can't\"))\n"
        'import nltk.tokenize; print(nltk.tokenize.NLTKWordTokenizer().tokenize("who can\'t"))'
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["[] ['who', 'ca', \"n't\"]", "['who', 'ca', \"n't\"]"], done.stderr
