"""Tokenisation of questions, as HCRN and DualVGR do it.

``text = question.lower()[:-1]``, whatever the last character is, then NLTK's Treebank-style word tokenizer. The published
code calls ``word_tokenize``, which splits sentences with punkt first; a question is one sentence, where both agree,
and the word tokenizer needs no data.
"""

from __future__ import annotations

from stages.questions.treebank import word_tokenizer

_TOKENIZER = word_tokenizer()


def tokenise(text: str) -> list[str]:
    """Split ``text``, already lower-cased and cut, into tokens: ``"who can't jump"`` -> ``who, ca, n't, jump``."""
    return list(_TOKENIZER.tokenize(text))


def question_tokens(question: str) -> list[str]:
    """Tokens of a question as it stands in the annotation: lower-cased, its last character dropped whatever it is."""
    return tokenise(question.lower()[:-1])
