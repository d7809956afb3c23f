"""docs/EXTENDING.md runs: its files are written, its edits made and its commands typed, section by section, in a copy of the checkout."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import warm
from tests.command import PROJECT, plain_environment

PACKAGES = ("cache", "configs", "formats", "media", "models", "pipeline", "stages", "systems", "world", "tests/sixth")
PAGE = (PROJECT / "docs" / "EXTENDING.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.M | re.S)
#: Sections by their titles; before the first of them stands what all need.
FIRST, *SECTIONS = re.split(r"^## ", PAGE, flags=re.M)
LIMIT = 300


class Block(NamedTuple):
    """A fenced block: its kind, the file that it is of, if any, and its text."""

    kind: str
    file: str
    text: str


def blocks(text: str) -> list[Block]:
    return [Block(match[1], match[2] or "", match[3]) for match in BLOCK.finditer(text)]


def edited(text: str, edit: str) -> str:
    """``text`` after an edit: lines with ``+`` are new, with ``-`` go; the others, without their first blank, say where."""
    lines = edit.splitlines(keepends=True)
    old, new = ("".join(line[1:] for line in lines if line[0] != other) for other in "+-")
    if not any(line[0] == "-" for line in lines):
        old, new = old.rstrip("\n"), new.rstrip("\n")  # a line may go on
    assert text.count(old) == 1, f"stands there {text.count(old)} times:\n{old}"
    return text.replace(old, new)


def carry_out(checkout: Path, text: str) -> str:
    """Do what the blocks of a section say; return what its commands printed."""
    printed = []
    for block in blocks(text):
        path = checkout / block.file
        if block.file and block.kind == "diff":
            path.write_text(edited(path.read_text(encoding="utf-8"), block.text), encoding="utf-8")
        elif block.file:
            path.write_text(block.text, encoding="utf-8")
        else:
            words = {"sh": ["bash", "-euo", "pipefail", "-c", block.text], "python": [sys.executable, "-c", block.text]}[block.kind]
            path = f"{checkout / 'bin'}:{plain_environment()['PATH']}"
            environment = {**plain_environment(), "PATH": path, "PYTHONPATH": str(checkout), "KDPIPE_DEVICE": "cpu"}
            done = subprocess.run(words, cwd=checkout, env=environment, capture_output=True, text=True, timeout=LIMIT)
            assert done.returncode == 0, f"{block.text}\n{done.stdout}{done.stderr}"
            printed.append(done.stdout)
    return "".join(printed)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, with what the page draws first."""
    root = tmp_path_factory.mktemp("extending") / "checkout"
    for name in PACKAGES:
        shutil.copytree(PROJECT / name, root / name)
    shutil.copy(PROJECT / "setup.cfg", root)
    (root / "bin").mkdir()
    started = warm.interpreter(root / "bin" / "warm")
    (root / "bin" / "kdpipe").write_text(f'#!/bin/sh\nexec {started} -m pipeline "$@"\n')
    (root / "bin" / "kdpipe").chmod(0o755)
    carry_out(root, FIRST)
    return root


def test_every_block_of_the_page_is_a_file_an_edit_or_a_command() -> None:
    found = blocks(PAGE)
    assert len(found) == PAGE.count("```") // 2 > 15
    assert {(block.kind, bool(block.file)) for block in found} <= {
        ("sh", False), ("python", False), ("python", True), ("csv", True), ("yaml", True), ("diff", True),
    }  # fmt: skip


def test_every_edit_of_the_page_finds_its_place() -> None:
    texts: dict[str, str] = {}
    for block in blocks(PAGE):
        if block.kind == "diff":
            texts[block.file] = edited(texts.get(block.file) or (PROJECT / block.file).read_text(encoding="utf-8"), block.text)
    assert len(texts) > 4


#: Beginning of a section's title -> what its commands print, among other things.
SAYS = {
    "Your own dataset": "question only (no video)",
    "Your own adapter": "12 ok",
    "Your own distillation": "train_kd_relation",
    "Your own backbone": "",
    "Your own system": "sample.audio",
}


def test_every_section_is_tried() -> None:
    assert [title for text in SECTIONS for title in SAYS if text.startswith(title)] == list(SAYS) and len(SECTIONS) == len(SAYS)


@pytest.mark.long
@pytest.mark.parametrize("title", SAYS)
def test_a_section_runs_as_printed(title: str, checkout: Path) -> None:
    (text,) = (text for text in SECTIONS if text.startswith(title))
    if "timm:" in text and importlib.util.find_spec("timm") is None:
        pytest.skip("needs timm (extra [timm])")
    assert SAYS[title] in carry_out(checkout, text)
