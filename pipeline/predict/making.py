"""Runs the stages of a recipe on files that are in no dataset: the same functions, in a directory that is thrown away."""

from __future__ import annotations

import importlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cache.errors import KdpipeError
from cache.items import ItemSet
from cache.json_files import write_json, write_lines
from cache.ledger import Ledger
from cache.stage import Context, Progress
from models.prediction import Made
from pipeline.predict.files import File
from pipeline.predict.recipe import INDEX, Recipe, Step

#: Files that are made ready together.
LOT = 32
#: What a stage writes, what it would find again if it was killed, and the items that it keeps.
FILES, SCRATCH, ITEMS = "files", "scratch", "items"


@dataclass(frozen=True)
class Workshop:
    """Where and how it is done."""

    place: Path
    recipe: Recipe
    progress: Callable[..., Progress]
    workers: int = 1
    threads: int = 1
    device: str = "cpu"


@dataclass
class Outcome:
    """What came of some files: what was made, of which ids what a person has to know, and of which why nothing was made."""

    made: list[Made] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)

    def add(self, other: Outcome) -> None:
        """Take over what came of other files."""
        self.made += other.made
        self.notes |= other.notes
        self.lost |= other.lost


def lots(files: Sequence[File]) -> Iterator[Sequence[File]]:
    """A few files at a time, so that the first answers come soon and the disk holds little."""
    return (files[start : start + LOT] for start in range(0, len(files), LOT))


def make(shop: Workshop, files: Sequence[File]) -> Outcome:
    """Make the inputs of a network of files; one that fails is lost alone, with its reason."""
    there = [file for file in files if not file.lack]
    outcome = Outcome(lost={file.id: file.lack for file in files if file.lack})
    if not there:
        return outcome
    try:
        outcome.add(_run(shop, there))
    except KdpipeError as error:
        if len(there) == 1:
            outcome.lost[there[0].id] = error.message
        else:
            for file in there:  # one after the other: who is to blame shows itself
                outcome.add(make(shop, [file]))
    return outcome


def _run(shop: Workshop, files: Sequence[File]) -> Outcome:
    """The steps, one after the other, until nothing is left; raises whatever error of ours a stage raises."""
    place = Path(tempfile.mkdtemp(dir=shop.place))
    index = _index(place / INDEX, files)
    outcome = Outcome()
    for key, step in shop.recipe.steps.items():
        ctx = _context(shop, step, place, place / key)
        module, _, function = step.entry.partition(":")
        getattr(importlib.import_module(module), function)(ctx)
        if ctx.items is not None:
            ctx.items.flush()
        for entry in ctx.ledger.sorted():
            told = f"{entry.state}: {entry.reason}" if entry.reason else entry.state
            if entry.outcome == "lost" and not step.optional:
                outcome.lost.setdefault(entry.id, told)
            elif entry.outcome != "ok" and entry.state != "lost_before":
                outcome.notes.setdefault(entry.id, told)
        if len(outcome.lost) == len(files):
            return outcome
    for key in shop.recipe.steps.keys() - set(shop.recipe.made.values()):
        shutil.rmtree(place / key)  # frames without loss take more room than all that is made of them
    outcome.made = [_made(shop, place, index, [file.id for file in files if file.id not in outcome.lost])]
    return outcome


def _index(directory: Path, files: Sequence[File]) -> Path:
    """An index of the files, as the stage of that name writes one of a dataset; paths lead from the root of the file system."""
    directory.mkdir()
    rows = [{"id": file.id, "splits": [], "digest": file.digest, "path": str(file.path.absolute())} for file in files]
    write_lines(directory / "media.jsonl", rows)
    write_lines(directory / "questions.jsonl", [])
    write_lines(directory / "annotations.jsonl", [])
    write_json(directory / "dataset.json", {"name": "files", "videos": len(files)})
    return directory


def _context(shop: Workshop, step: Step, place: Path, own: Path) -> Context:
    for folder in (FILES, SCRATCH):
        (own / folder).mkdir(parents=True)
    sources = {alias: place / INDEX if key == INDEX else place / key / FILES for alias, key in step.reads.items()}
    return Context(
        params=step.params,
        out=own / FILES,
        scratch=own / SCRATCH,
        ledger=Ledger(),
        progress=shop.progress,
        inputs={**sources, **step.given},
        input_items={alias: found for alias, key in step.reads.items() if (found := _items(shop, place, key)) is not None},
        root=Path("/"),
        files=step.files,
        items=ItemSet(own / ITEMS) if step.keeps else None,
        workers=shop.workers,
        threads=shop.threads,
        device=shop.device,
        node=step.node,
    )


def _items(shop: Workshop, place: Path, key: str) -> ItemSet | None:
    """What a step kept of every file, if it keeps items."""
    keeps = key in shop.recipe.steps and shop.recipe.steps[key].keeps
    return ItemSet(place / key / ITEMS, writable=False) if keeps else None


def _made(shop: Workshop, place: Path, index: Path, ids: Sequence[str]) -> Made:
    made = shop.recipe.made
    items = {alias: found for alias, key in made.items() if (found := _items(shop, place, key)) is not None}
    return Made(ids, {INDEX: index, **{alias: place / key / FILES for alias, key in made.items()}}, items)
