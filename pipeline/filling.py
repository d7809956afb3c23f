"""Rows of a node without its result: one of many processes fills a part of the item set, or somebody asks what is missing.

Neither publishes anything, and neither holds the lock of the key. ``kdpipe run`` finds the rows, computes those that are still missing,
assembles and publishes.
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cache import fs
from cache.errors import ConfigError, KdpipeError
from cache.filling import filling
from cache.items import ItemSet
from cache.part import Filled, Part, Shard, Survey, counted
from cache.record import Key
from cache.stage import Context, Node
from pipeline import imports
from pipeline.graph import Graph
from pipeline.judge import Judge
from pipeline.runner import Options, check_unchanged, context_of, told_of, uses_of
from pipeline.watch import Watch


@dataclass(frozen=True)
class Made:
    """What a fill did: how many ``rows`` it made, how many items it ``lost`` for now, and in how many ``seconds``."""

    rows: int
    lost: int
    seconds: float


@dataclass(frozen=True)
class Lacking:
    """Row keys that a node wants (``wanted``: how many) and that are missing (``todo``)."""

    wanted: int
    todo: frozenset[str]

    def shards(self, count: int) -> list[int]:
        """How many rows each of ``count`` shards has to make."""
        return counted(self.todo, count)


def fillable(graph: Graph, name: str) -> bool:
    """Whether a node keeps rows that processes can fill one by one (imported ones are read in one go)."""
    stage = graph.nodes[name].stage
    return bool(stage.items) and stage.entry != imports.ENTRY


def fill_node(judge: Judge, name: str, shard: Shard, options: Options) -> Made:
    """Make the rows of ``shard`` that are missing. Raises StaleInputError if what the node reads is not fresh, ConfigError if it keeps
    no rows, or what the stage raises; the rows that were made stay.
    """
    node, key = _asked(judge, name)
    store, began = judge.store, time.monotonic()
    if store.record(key.digest) is not None:
        return Made(0, 0, 0.0)
    temporary = store.new_directory()
    try:
        uses = uses_of(judge, node, key, judge.inputs(node))
        with filling(store, key.digest, what=f"{name} {shard}", uses=uses), _working(judge, node, key) as function:
            context = _context(judge, node, key, temporary, options, functools.partial(Part, shard=shard))
            items = context.items
            assert items is not None
            before = len(items.lost)
            with contextlib.suppress(Filled):
                function(context)
            items.flush()
        return Made(items.appended, len(items.lost) - before, time.monotonic() - began)
    except Exception as error:
        told_of(judge, node, error)
        _note_failure(judge, node, key, shard, error)
        raise
    finally:
        fs.remove_tree(temporary)


def survey(judge: Judge, name: str, options: Options) -> Lacking:
    """What a node wants and lacks: its stage is asked, and computes and writes nothing. Raises as :func:`fill_node` does."""
    node, key = _asked(judge, name)
    with tempfile.TemporaryDirectory() as place, _working(judge, node, key) as function:
        (Path(place) / "files").mkdir()
        context = _context(judge, node, key, Path(place), options, Survey)
        with contextlib.suppress(Filled):
            function(context)
        items = context.items
        assert isinstance(items, Survey)
        return Lacking(len(items.wanted), frozenset(items.todo))


def _asked(judge: Judge, name: str) -> tuple[Node, Key]:
    node = judge.graph.nodes[name]
    if not fillable(judge.graph, name):
        others = [other for other in judge.graph.nodes if fillable(judge.graph, other)]
        hint = f"nodes that do: {', '.join(others)}" if others else f"kdpipe run {name}"
        raise ConfigError(f"{name} keeps no rows that could be made one by one", hint=hint)
    judge.inputs(node)
    before = judge.trusting, judge.read_files
    judge.trusting, judge.read_files = False, True  # whatever the node itself names is looked at
    try:
        return node, judge.key(node)
    finally:
        judge.trusting, judge.read_files = before


@contextlib.contextmanager
def _working(judge: Judge, node: Node, key: Key) -> Iterator[Callable[[Context], None]]:
    """The function of the stage; afterwards code and files are those that the key speaks of, or there is an error."""
    watch = Watch(judge, node, key)
    with watch.stage() as function:
        yield function
        watch.check()
        check_unchanged(judge, node, key)


def _context(judge: Judge, node: Node, key: Key, place: Path, options: Options, kind: Callable[..., ItemSet]) -> Context:
    scratch = place / "scratch"
    fs.make_directory(scratch)
    return context_of(judge, node, key, place / "files", scratch, options, kind)


def _note_failure(judge: Judge, node: Node, key: Key, shard: Shard, error: Exception) -> None:
    """For ``kdpipe status``."""
    words = str(error) if isinstance(error, KdpipeError) else f"{type(error).__name__}: {error}"
    with contextlib.suppress(OSError):
        judge.store.write_failure(judge.dataset, judge.system, node.name, {"error": f"shard {shard}: {words}", "key": key.digest})
