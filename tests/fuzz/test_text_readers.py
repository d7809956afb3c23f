"""Readers of text that users bring: whatever the file is, an error of ours that names it and the place, or what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.errors import DataError
from pipeline.describe.listing import read_list
from pipeline.flat_yaml import read_lines
from stages.questions.glove import read_text_vectors
from stages.questions.vocabulary import Vocabulary
from tests.fuzz.files import WRONG, refusal, spoilt, truncations

VECTORS = "a 0.5 -1\nthe 2 3e-1\né 4 5\n. . 6 7\n".encode()
LIST = 'a.mp4,1;2\n"b, c.mp4",\nsub/é.mp4,3\n'.encode()
CONFIG = '# é\nstudent.kd_alpha: 2\nteacher.lr_steps: [7, 10]\nindex.name: "\\u00e9: b"\nfile: /x\'y.pth\nnote: |\n  é\n'.encode()
VOCABULARY = Vocabulary({"<NULL>": 0, "<UNK>": 1, "é": 2}, {"<UNK0>": 0, "<UNK1>": 1, "man": 2}).to_json()

#: what is read -> (a small sample, its reader)
READERS: dict[str, tuple[bytes, Callable[[Path], Any]]] = {
    "word vectors": (VECTORS, lambda path: read_text_vectors(path, {"a", "the", "é", "."})),
    "a list of videos": (LIST, read_list),
    "a config": (CONFIG, read_lines),
}

reader = pytest.mark.parametrize("name", READERS)


@reader
def test_the_sample_is_read(name: str, tmp_path: Path) -> None:
    sample, read = READERS[name]
    (tmp_path / "file").write_bytes(sample)
    assert refusal(tmp_path / "file", lambda: read(tmp_path / "file")) is None


@reader
def test_cut_at_every_byte_it_is_refused_or_was_cut_where_a_line_may_end(name: str, tmp_path: Path) -> None:
    sample, read = READERS[name]
    path = tmp_path / "file"
    for cut in truncations(sample):
        path.write_bytes(cut)
        error = refusal(path, lambda: read(path))
        assert error is None or not cut or re.search(r"\bline \d", error.message), cut
        assert error is not None or name != "word vectors" or cut.endswith(b"\n"), cut


@reader
@given(data=st.data())
def test_any_bytes_are_read_or_refused_with_file_and_line(name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    sample, read = READERS[name]
    path = tmp_path_factory.mktemp("fuzz") / "file"
    path.write_bytes(data.draw(spoilt(sample)))
    error = refusal(path, lambda: read(path))
    assert error is None or re.search(r"\bline \d|holds no word vectors|names no video", error.message)


@reader
@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_such_text_is_refused_in_little_time_and_memory(name: str, kind: str, tmp_path: Path) -> None:
    WRONG[kind](tmp_path / "file")
    error = refusal(tmp_path / "file", lambda: READERS[name][1](tmp_path / "file"))
    assert (error is None) == (name == "a config" and kind == "an empty file")


def test_a_vocabulary_cut_at_every_character_is_refused() -> None:
    assert Vocabulary.from_json(VOCABULARY).answers["man"] == 2
    for end in range(len(VOCABULARY)):
        with pytest.raises(DataError, match="not a vocabulary"):
            Vocabulary.from_json(VOCABULARY[:end])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
)


@given(
    st.text()
    | JSON.map(json.dumps)
    | st.builds(lambda q, a: json.dumps({"question_token_to_idx": q, "answer_token_to_idx": a}), JSON, JSON)
)
def test_any_text_is_a_vocabulary_or_refused(text: str) -> None:
    try:
        found = Vocabulary.from_json(text)
    except DataError:
        return
    for ids in (found.questions, found.answers):
        assert sorted(ids.values()) == list(range(len(ids)))


def test_a_vocabulary_nested_too_deeply_is_refused() -> None:
    with pytest.raises(DataError, match="not a vocabulary"):
        Vocabulary.from_json("[" * 100_000)
