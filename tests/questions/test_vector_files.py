"""Files of word vectors as people have them: read as they are meant, or refused with file and line."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.errors import DataError
from stages.questions.glove import read_text_vectors

FIELD = Path(__file__).parents[1] / "data" / "field" / "glove"
PLAIN = b"a 1 2\nthe 3 4\n\xc3\xa9 5 6\n"
EXPECTED = {"a": [1, 2], "the": [3, 4], "é": [5, 6]}


def read(path: Path, data: bytes | None = None, wanted: tuple[str, ...] = ("a", "the", "é")) -> dict[str, list[float]]:
    if data is not None:
        path.write_bytes(data)
    return {token: vector.tolist() for token, vector in read_text_vectors(path, wanted)[0].items()}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xef\xbb\xbf" + PLAIN, id="a byte order mark"),
        pytest.param(PLAIN.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(PLAIN.replace(b"\n", b" \n"), id="a blank ends each line, as fastText writes it"),
        pytest.param(b"3 2\n" + PLAIN, id="the header of word2vec"),
        pytest.param(b"3 2\r\n\r\n" + PLAIN, id="a header and a blank line"),
        pytest.param(b"2 2\n" + PLAIN, id="glove -write-header does not count its <unk>"),
        pytest.param(b". . . 7 8\n" + PLAIN + b"at name@domain.com 9 9\n", id="words that hold blanks, as in glove.840B"),
        pytest.param(PLAIN + b"a 1.0 2.00\n", id="a word twice with the same vector"),
        pytest.param(PLAIN + b"broken\xc3 5 6\n", id="a broken word that nobody asked for, as published files hold some"),
        pytest.param(PLAIN + b"nan 5 6\nfinance 5 6\n", id="words that spell no number"),
        pytest.param(PLAIN + b" 5 6\n", id="an empty word"),
    ],
)
def test_every_word_of_a_good_file_has_its_vector(data: bytes, tmp_path: Path) -> None:
    assert read(tmp_path / "v.txt", data) == EXPECTED


@pytest.mark.parametrize(
    ("data", "what"),
    [
        pytest.param(b"", "holds no word vectors", id="an empty file"),
        pytest.param(b"3 2\n", "holds no word vectors", id="a header and no more"),
        pytest.param(b"the\t1\t2\n", "line 1: no word with its numbers", id="tabs"),
        pytest.param(b"the,1,2\n", "line 1: no word with its numbers", id="commas"),
        pytest.param(b"word v1 v2\nthe 1 2\n", "line 1: no word with its numbers", id="a table with a head"),
        pytest.param(
            PLAIN + b"zebra 1 2",
            "line 4: the file ends within this line, perhaps within its last number",
            id="no line end after the last number",
        ),
        pytest.param(PLAIN + b"zebra 1", "line 4: the file ends within this line: it was cut", id="cut before the last number"),
        pytest.param(PLAIN + b"zebra 1\n", "line 4: 1 numbers, where the first line has 2", id="too few, for a word nobody asked for"),
        pytest.param(PLAIN + b"zebra 1 2 3\n", "line 4: 3 numbers, where the first line has 2", id="too many"),
        pytest.param(PLAIN + b"zebra 1 0.the 3 4\n", "line 4: 4 numbers, where the first line has 2", id="two lines glued together"),
        pytest.param(PLAIN + b"zebra nan 1\n", "line 4: a number of 'zebra' is not finite", id="NaN for a word nobody asked for"),
        pytest.param(PLAIN + b"zebra 1 -Infinity\n", "line 4: a number of 'zebra' is not finite", id="infinity"),
        pytest.param(b"the 1e39 0\n", "line 1: a number of 'the' is not finite", id="beyond 32 bits"),
        pytest.param(PLAIN + b"the 3 5\n", "line 4: a second vector of 'the', and not the same", id="a word twice"),
        pytest.param(PLAIN + b"zebra  1 2\n", "line 4: two blanks in a row", id="two blanks"),
        pytest.param(PLAIN + b" zebra 1 2\n", "line 4: two blanks in a row, or one before the word", id="a blank before the word"),
        pytest.param(b"4 2\n" + PLAIN, "line 4: the file ends after 3 words and announces 4", id="cut at a line end, with a header"),
        pytest.param(b"3 5\n" + PLAIN, "line 2: 2 numbers, where the first line has 5", id="a header of another width"),
        pytest.param(PLAIN.decode().encode("latin-1"), "line 3: not UTF-8 text", id="latin-1"),
        pytest.param(PLAIN.decode().encode("utf-16"), "line 1: UTF-16 text", id="UTF-16"),
        pytest.param(PLAIN.decode().encode("utf-16-le"), "line 1: UTF-16 text", id="UTF-16 without its mark"),
        pytest.param(PLAIN.decode().encode("utf-16-be"), "line 1: UTF-16 text", id="UTF-16, big end first, without its mark"),
        pytest.param(PLAIN.decode().encode("utf-32"), "line 1: UTF-32 text", id="UTF-32"),
        pytest.param(gzip.compress(PLAIN), r"a gzip archive\n.*gunzip v\.txt", id="gzip"),
        pytest.param(b"2 2\na " + struct.pack("<2f", 1, 2) + b"\nb ", "line 2: binary word vectors of word2vec", id="binary word2vec"),
        pytest.param(b"\x80\x04\x95", "a Python pickle", id="a pickle, as HCRN makes one of GloVe"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS", id="a pointer"),
        pytest.param(b"<!DOCTYPE html>\n", "a web page", id="a page that says that the file has moved"),
        pytest.param(b"\0", "line 1: a zero byte", id="one zero byte and no more"),
        pytest.param(bytes(100), "line 1: a zero byte", id="zeros alone"),
        pytest.param(PLAIN + b"\0", "line 4: a zero byte", id="zeros, as after a full disk"),
        pytest.param(b"a" * (1 << 20), "line 1: a line of more than", id="no line end"),
    ],
)
def test_a_file_that_would_lose_a_word_is_refused_with_its_line(data: bytes, what: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=what) as told:
        read(tmp_path / "v.txt", data)
    assert "v.txt" in told.value.message


def test_an_archive_is_refused_with_the_way_to_unpack_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "glove.zip", "w") as file:
        file.writestr("glove.txt", PLAIN)
    with pytest.raises(DataError, match=r"glove\.zip, line 1: a zip archive.*\n.*unzip glove\.zip"):
        read(tmp_path / "glove.zip")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("glove.6B.zip", "line 1: a zip archive"),
        ("nan.txt", "line 4: a number of 'the' is not finite"),
        ("cut_unwanted.txt", "line 10: the file ends within this line: it was cut"),
    ],
)
def test_files_that_users_brought_are_refused(name: str, what: str) -> None:
    for wanted in (("the", "what"), ("what",)):
        with pytest.raises(DataError, match=f"{name}, {what}"):
            read(FIELD / name, wanted=wanted)


def test_a_byte_order_mark_is_no_part_of_the_first_word() -> None:
    assert read(FIELD / "bom.txt", wanted=("what",))["what"][:2] == pytest.approx([0.51527, 0.57978])


WORDS = st.text("ab.é\u00a0", min_size=1, max_size=3)
TABLES = st.dictionaries(
    st.lists(WORDS, min_size=1, max_size=3).map(" ".join),
    st.lists(st.floats(-9, 9, width=32), min_size=2, max_size=2),
    min_size=1,
    max_size=6,
)


@given(TABLES, st.sampled_from([b"\n", b"\r\n", b" \n"]), st.booleans(), st.booleans())
def test_words_with_blanks_both_line_ends_a_header_and_a_mark_change_no_vector(
    tmp_path_factory: pytest.TempPathFactory, table: dict[str, list[float]], end: bytes, header: bool, mark: bool
) -> None:
    lines = [f"{len(table)} 2"] * header + [f"{word} {a!r} {b!r}" for word, (a, b) in table.items()]
    data = b"\xef\xbb\xbf" * mark + b"".join(line.encode() + end for line in lines)
    found = read(tmp_path_factory.mktemp("vectors") / "v.txt", data, tuple(table))
    assert found == table


@given(TABLES, st.data())
def test_a_cut_file_is_refused_or_was_cut_between_lines(
    tmp_path_factory: pytest.TempPathFactory, table: dict[str, list[float]], data: st.DataObject
) -> None:
    whole = "".join(f"{word} {a!r} {b!r}\n" for word, (a, b) in table.items()).encode()
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    path = tmp_path_factory.mktemp("vectors") / "v.txt"
    try:
        found = read(path, cut, tuple(table))
    except DataError as error:
        assert "v.txt" in error.message and cut[-1:] != b"\n"
    else:
        assert cut.endswith(b"\n") and found == dict(list(table.items())[: cut.count(b"\n")])


def test_reading_holds_one_line_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    path.write_bytes(b"zebra 1 2\n" * 500_000 + b"a 1 2\n")
    sizes: list[int] = []
    read_text_vectors(path, {"a"}, step=sizes.append)
    assert sum(sizes) == path.stat().st_size and max(sizes) < 2 << 20
    assert peak(lambda: read_text_vectors(path, {"a"})) < 3_000_000 < path.stat().st_size


def peak(work: Callable[[], object]) -> int:
    """Bytes that Python had at once."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_vectors_are_float32() -> None:
    vectors, width = read_text_vectors(FIELD / "bom.txt", {"man"})
    assert width == 50 and vectors["man"].dtype == np.float32
