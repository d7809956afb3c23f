"""Text files that people bring, line by line: what is no text is refused by its first bytes, with what it is and what to do.

A line is bytes and its end (LF, or CRLF with its CR); a UTF-8 byte order mark before the first is left out. Memory holds one line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from cache.errors import DataError
from cache.given import plain_file

#: A line has fewer bytes than this: what is longer is no line of any list or table that is read here.
LONGEST = 1 << 20
#: How much of the beginning is looked at.
HEAD = 4096

BOM = b"\xef\xbb\xbf"
RECODE = "iconv -f {} -t UTF-8 FILE > NEW"

#: First bytes -> (what it is, what to do about it).
KINDS: tuple[tuple[tuple[bytes, ...], str, str], ...] = (
    ((b"PK\x03\x04", b"PK\x05\x06"), "a zip archive (or a PyTorch file)", "unpack it and give the text file inside: unzip FILE"),
    ((b"\x1f\x8b",), "a gzip archive", "unpack it: gunzip FILE"),
    (tuple(b"BZh%d1AY&SY" % level for level in range(1, 10)), "a bzip2 archive", "unpack it: bunzip2 FILE"),
    ((b"\xfd7zXZ\x00",), "an xz archive", "unpack it: unxz FILE"),
    ((b"\x28\xb5\x2f\xfd",), "a zstd archive", "unpack it: unzstd FILE"),
    ((b"7z\xbc\xaf\x27\x1c",), "a 7z archive", "unpack it: 7z x FILE"),
    ((b"\x89HDF\r\n\x1a\n",), "an HDF5 file", ""),
    ((b"\x93NUMPY",), "an npy array", ""),
    (tuple(b"\x80%c" % version for version in range(2, 6)), "a Python pickle", "give the text file that it was made from"),
    ((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff"), "UTF-32 text", RECODE.format("UTF-32")),
    ((b"\xff\xfe", b"\xfe\xff"), "UTF-16 text", RECODE.format("UTF-16")),
    ((b"version https://git-lfs",), "a pointer of Git LFS, not the file", "git lfs pull"),
    ((b"<!DOCTYPE html", b"<!doctype html", b"<html"), "a web page", "the download failed: fetch it again"),
)


def text_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of ``path``.

    Raises DataError, with file and line, on what is no regular file that can be read, no text in an encoding where line ends are
    single bytes, or has a line of :data:`LONGEST` bytes.
    """
    try:
        plain_file(path, hint="give a text file")
        with path.open("rb", buffering=1 << 20) as file:
            _refuse(path, head := file.peek(HEAD)[:HEAD])
            file.read(len(BOM) if head.startswith(BOM) else 0)
            for number, line in enumerate(iter(partial(file.readline, LONGEST), b""), 1):
                if len(line) == LONGEST:
                    raise DataError(f"{path}, line {number}: a line of more than {LONGEST:,} bytes", hint="it is no text file of lines")
                yield line
    except OSError as error:
        raise DataError(f"{path}: {os.strerror(error.errno or 0)}") from error


def kind_of(path: Path, head: bytes) -> tuple[str, str]:
    """What a file is that begins with ``head``, and what to do about it; "" for what is not in :data:`KINDS`."""
    found = (each for each in KINDS if head.startswith(each[0]))
    _, what, remedy = next(found, ((), "", ""))
    return what, remedy.replace("FILE", path.name)


def _refuse(path: Path, head: bytes) -> None:
    """Raise DataError if ``head``, the first bytes, says that it is no text."""
    what, remedy = kind_of(path, head)
    if what:
        raise DataError(f"{path}, line 1: {what}", hint=remedy)
    if b"\0" not in head:
        return
    if len(head) > 1 and (head[0] == 0) != (head[1] == 0):
        raise DataError(f"{path}, line 1: UTF-16 text", hint=RECODE.format("UTF-16LE" if head[1] == 0 else "UTF-16BE"))
    if re.match(rb"\d+ \d+\n", head):
        raise DataError(
            f"{path}, line 2: binary word vectors of word2vec", hint="save them as text: save_word2vec_format(NEW, binary=False)"
        )
    number = head[: head.index(b"\0")].count(b"\n") + 1
    raise DataError(f"{path}, line {number}: a zero byte: this is no text file")
