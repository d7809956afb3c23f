"""The world as a stage, and its contact sheet."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import click
import pytest
from PIL import Image

from cache.ledger import Ledger
from cache.stage import Context, Quiet
from pipeline.cli.world import world as command
from stages.world import STAGE, WorldParams
from stages.world.run import run
from world.contact_sheet import contact_sheet
from world.layout import LAYOUTS


def test_the_stage_writes_the_world_and_a_ledger_entry_for_each_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("world.generate.SIZES", {"tiny": 3})
    (tmp_path / "out").mkdir()
    bar = Quiet()
    ctx = Context(WorldParams(size="tiny"), tmp_path / "out", tmp_path / "scratch", Ledger(), lambda *what, **more: bar)
    run(ctx)
    assert ctx.ledger.counts() == {"ok": 3} and bar.n == 3
    assert (tmp_path / "out" / "youtube_mapping.txt").is_file() and (tmp_path / "out" / "truth" / "3.npz").is_file()


def test_the_declaration_is_light() -> None:
    code = "import sys, stages.world; print(sorted({'av', 'torch', 'numpy', 'PIL'} & set(sys.modules)))"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert STAGE.entry == "stages.world.run:run"


def test_contact_sheet_is_a_picture(tmp_path: Path) -> None:
    contact_sheet(tmp_path / "sheet.png", rows=1)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (2 * 640 + 6, 136)


@pytest.mark.parametrize("which", ["actions", "sounding"])
def test_contact_sheet_of_classes_has_a_row_for_two_of_them(which: str, tmp_path: Path) -> None:
    contact_sheet(tmp_path / "sheet.png", rows=1, **{which: True})
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (2 * 640 + 6, 136)


def test_the_command_offers_what_the_stage_and_the_world_know() -> None:
    offered = {param.name: tuple(param.type.choices) for param in command.params if isinstance(param.type, click.Choice)}
    declared = {field.name: field.metadata["choices"] for field in dataclasses.fields(WorldParams)}
    assert offered == {name: declared[name] for name in ("layout", "size", "setting")} and declared["layout"] == LAYOUTS
