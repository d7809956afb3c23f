"""The judge: what is fresh, what is not, and why. Make orders the stages; time stamps carry no truth here."""

from __future__ import annotations

import datetime
import importlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cache import mounts
from cache.digest import digest_listing, digest_value
from cache.errors import DataError, StaleInputError, StoreError
from cache.fingerprint import Fingerprint
from cache.listing import Listing
from cache.stage import Absent, Node, keyed_params
from cache.store import Key, Record, Store
from cache.syntax import Module
from pipeline import paths, why
from pipeline.device import default_device, device_class, known_device
from pipeline.graph import Graph
from pipeline.installed import installed

T = TypeVar("T")

FRESH = "fresh"
STALE = "stale"
MISSING = "missing"
WAITS = "waits"
DAMAGED = "damaged"

#: Why a node is missing that has never been made for its dataset and system.
NEVER_MADE = "never made"

#: How much unknown file content a light verb may read.
LIGHT_BYTES = 32 << 20


@dataclass(frozen=True)
class State:
    """Where a node stands. ``key`` is None while it waits for an input that is not fresh, or for files to be digested or to be there.

    Of a node that is ``damaged``, the record of its result or of its last one cannot be trusted.
    """

    node: Node
    status: str
    reason: str = ""
    key: Key | None = None
    record: Record | None = None


class Judge:
    """Judges the nodes of one graph against one store. Answers are remembered; :meth:`forget` after something ran.

    ``read_files=False`` (``status``, ``plan``) digests files that the memo does not know only up to :data:`LIGHT_BYTES` in
    all; a node that would need more is stale.
    ``allow_stale`` lets a node run on the last result of an input that is not fresh; the record says so.
    ``looking``: raw and external files that are not there are taken to be what the node's last result was made from;
    :attr:`assumed` says of which nodes, and why.
    ``trusting``: so are files that would have to be read. For those who only fill rows: whoever publishes reads them.
    """

    def __init__(
        self,
        store: Store,
        graph: Graph,
        *,
        device: str = "",
        read_files: bool = False,
        allow_stale: bool = False,
        looking: bool = False,
        trusting: bool = False,
        source_tree: Path | None = None,
    ) -> None:
        self.store = store
        self.graph = graph
        self.device = known_device(device or default_device())
        self.read_files = read_files
        self.allow_stale = allow_stale
        self.looking = looking
        self.trusting = trusting
        self.assumed: dict[str, str] = {}
        self.fingerprint = Fingerprint(source_tree or paths.PROJECT, store.root / "memo" / "code.json")
        self._states: dict[str, State] = {}
        self._sources: dict[str, dict[str, str]] = {}
        self._listings: dict[str, Listing] = {}
        self._absent: dict[str, list[Absent]] = {}
        self._light_bytes = LIGHT_BYTES

    # -- names of this graph's refs -----------------------------------------------------------------------------------

    @property
    def dataset(self) -> str:
        """Name of the dataset."""
        return self.graph.config.dataset

    @property
    def system(self) -> str:
        """Name of the system."""
        return self.graph.config.system

    def last(self, name: str) -> Record | None:
        """The result that the node's ref names, whatever became of it since. Raises StoreError if the ref or the record is damaged."""
        key = self.ref(name)
        return self.store.record(key) if key else None

    def ref(self, name: str) -> str | None:
        """The key that the node's ref names, or None. Raises StoreError if that is no key."""
        try:
            key = self.store.ref(self.dataset, self.system, name)
        except ValueError:
            key = ""
        if key is not None and not re.fullmatch("[0-9a-f]{64}", key):
            raise StoreError(f"the ref of {name} names no key", hint="kdpipe fsck --repair puts it aside; run again then")
        return key

    def usable(self, name: str) -> Record | None:
        """As :meth:`last`, but a damaged record is none."""
        try:
            return self.last(name)
        except StoreError:
            return None

    # -- judging ------------------------------------------------------------------------------------------------------

    def state(self, name: str) -> State:
        """Judge one node (and what it reads)."""
        if name not in self._states:
            self._states[name] = self._judge(self.graph.nodes[name])
        return self._states[name]

    def states(self, names: Iterator[str] | list[str]) -> list[State]:
        """Judge several nodes and keep the parsed code for the next process."""
        result = [self.state(name) for name in names]
        self.fingerprint.save()
        return result

    def forget(self, name: str) -> None:
        """Judge ``name`` and everything after it anew."""
        self._states = {
            n: s for n, s in self._states.items() if s.status == FRESH and n != name and name not in self._states[n].node.reads.values()
        }

    def inputs(self, node: Node) -> dict[str, Record]:
        """The records that a node reads; raises StaleInputError naming the command that makes what is missing."""
        found: dict[str, Record] = {}
        for alias, name in node.reads.items():
            state = self.state(name)
            if state.status == DAMAGED:
                hint = "kdpipe fsck --repair puts it aside; run again then"
                raise StoreError(f"{node.name} reads {name}, which is damaged: {state.reason}", hint=hint)
            record = state.record if state.status == FRESH else self.last(name) if self.allow_stale else None
            if record is None:
                word = "missing" if state.status in (MISSING, WAITS) and self.last(name) is None else "stale"
                raise StaleInputError(
                    f"{node.name} reads {name}, which is {word}" + (f" ({state.reason})" if state.reason else ""),
                    hint=f"make it with: kdpipe run {name}{self._where()}"
                    + ("" if word == "missing" else "   (or go on with the old result: --allow-stale)"),
                )
            found[alias] = record
        return found

    def _where(self) -> str:
        return f" --dataset {self.dataset} --system {self.system}"

    def _judge(self, node: Node) -> State:
        waiting = [read for read in node.reads.values() if self.state(read).status != FRESH]
        if waiting and not (self.allow_stale and all(self.usable(name) for name in waiting)):
            first = waiting[0]
            return State(node, WAITS, f"waits for {first}" + (f" and {len(waiting) - 1} more" if len(waiting) > 1 else ""))
        try:
            key = self.key(node)
        except _UnreadFiles as unread:
            return State(node, STALE, str(unread)) if self.last(node.name) else State(node, MISSING, self._missing(node))
        except DataError as error:
            if not self.looking or self.usable(node.name) is not None:
                raise
            return State(node, MISSING, f"{self._missing(node)}; {error.message}")
        try:
            record = self.store.record(key.digest)
            if record is not None:
                return State(node, FRESH, self.assumed.get(node.name, ""), key, record)
            last = self.last(node.name)
        except StoreError as error:  # the runner meets it again, and says what to do
            return State(node, DAMAGED, damage(error), key)
        if last is None:
            return State(node, MISSING, self._missing(node), key)
        return State(node, STALE, why.summary(last, key, self.definitions(node)), key)

    def _missing(self, node: Node) -> str:
        """Why a node has no last result."""
        return "its result was removed from the store" if self.ref(node.name) is not None else NEVER_MADE

    # -- keys ---------------------------------------------------------------------------------------------------------

    def code(self, node: Node) -> dict[str, Module]:
        """The modules that can change what the node computes."""
        return closure(self.fingerprint, node)

    def definitions(self, node: Node) -> dict[str, dict[str, str]]:
        """Module -> definition -> digest, for ``why``."""
        return {name: module.definitions for name, module in self.code(node).items()}

    def key(self, node: Node) -> Key:
        """The key of a node whose inputs are there."""
        return Key(
            stage=node.stage.name,
            version=node.stage.version,
            entry=node.stage.entry,
            params=plain_params(node),
            code={name: module.digest for name, module in self.code(node).items()},
            inputs={alias: record.object for alias, record in self.inputs(node).items()},
            sources=self._or_as_last(node, self._sources_digest, lambda last: last.sources) if _reads_raw(node) else "",
            files=self._or_as_last(node, self._external, lambda last: last.files) | self.packaged(node),
            facets=self.facets(node),
        )

    def item_key(self, node: Node, key: Key) -> str:
        """Name of the node's item set under ``key``; empty for a stage without items."""
        return key.item_key(node.stage.items) if node.stage.items else ""

    def _or_as_last(self, node: Node, look: Callable[[Node], T], of: Callable[[Key], T]) -> T:
        """What ``look`` finds among files; if it cannot and the judge is only looking, what the node's last result was made from."""
        try:
            return look(node)
        except (DataError, _UnreadFiles) as error:
            assume = self.trusting or (self.looking and isinstance(error, DataError))
            last = self.usable(node.name) if assume else None
            if last is None:
                raise
            when = datetime.datetime.fromtimestamp(last.created).strftime("%Y-%m-%d %H:%M")
            self.assumed[node.name] = f"{error.message}; shown as of {when}"
            return of(last.key)

    def facets(self, node: Node) -> dict[str, str]:
        """The environment facets that the stage declares as able to change its bits, and the versions of its libraries.

        Of builds for several devices (2.15.0+cu128) the version is one: the device is keyed by itself.
        """
        known = {"device": device_class(self.device)}
        versions = {name: version.partition("+")[0] for name, version in installed(node.declared("libraries")).items()}
        return {name: known[name] for name in node.stage.facets} | versions

    def files(self, node: Node) -> dict[str, Path]:
        """Parameter name -> external file; an empty parameter names none. Raises DataError for a file that is not there."""
        found: dict[str, Path] = {}
        for name in node.stage.files:
            value = getattr(node.params, name)
            if value:
                path = paths.file_at(value)
                if path is None:
                    key = f"{self.graph.config.section(node.name)}.{name}"
                    raise DataError(f"{node.name}: {name} = {value}: there is no such file", hint=f"set it with --set {key}=PATH")
                found[name] = path
        return found

    def _external(self, node: Node) -> dict[str, str]:
        """Parameter name -> digest of an external file."""
        return {name: self._digest(path) for name, path in self.files(node).items()}

    def packaged(self, node: Node) -> dict[str, str]:
        """``data/<file name>`` -> digest of the packaged data files that a node reads; a file that is not there is ``"missing"``."""
        paths = list(getattr(node.params, node.stage.data)) if node.stage.data else []
        if len({path.name for path in paths}) < len(paths):
            raise ValueError(f"{node.stage.name}: packaged data files must differ in their names")
        return {f"data/{path.name}": self._digest(path) if path.is_file() else "missing" for path in paths}

    def data_root(self, node: Node) -> Path | None:
        """The directory of raw data that a node sees: the drawn world, or DATA_ROOT."""
        if "world" in node.reads:
            return self.store.files(self.inputs(node)["world"])
        if not node.stage.raw:
            return None
        root = self.graph.config.root
        if root is None:
            raise DataError(
                f"DATA_ROOT is not set: dataset {self.dataset} is read from files",
                hint=f"DATA_ROOT=/where/{self.dataset}/is kdpipe run {node.name}{self._where()}"
                f"   (for good: data_root.{self.dataset}: /where/{self.dataset}/is in kdpipe.local.yaml)",
            )
        if not root.is_dir():
            raise DataError(f"DATA_ROOT {root} is not a directory", hint="see docs/DATASETS.md for the tree that each dataset expects")
        return root

    def sources(self, node: Node) -> dict[str, str]:
        """Relative path -> digest of the raw files that the stage names."""
        if not node.stage.sources:
            return {}
        if node.name not in self._sources:
            if "world" in node.reads:
                manifest = self.store.manifest(self.inputs(node)["world"].object)
                self._sources[node.name] = {entry.path: entry.sha256 for entry in manifest.files}
            else:
                listing, memo = self._listing(node), self.store.memo
                self._sources[node.name] = {
                    path: memo.of(stamp, bond) or self._digest(listing.root / path) for path, stamp, bond in listing
                }
        return self._sources[node.name]

    def _listing(self, node: Node) -> Listing:
        """The raw files that the stage names, as they stood when they were first looked at."""
        if node.name not in self._listings:
            root = self.data_root(node)
            assert root is not None
            module, _, function = node.stage.sources.partition(":")
            try:
                found = list(getattr(importlib.import_module(module), function)(node.params, root))
                self._absent[node.name] = [one for one in found if isinstance(one, Absent)]
                self._listings[node.name] = Listing(root, [one for one in found if not isinstance(one, Absent)])
            except OSError as error:
                raise DataError(f"{error.filename}: {error.strerror}") from error
        return self._listings[node.name]

    def _sources_digest(self, node: Node) -> str:
        """Digest of all that :meth:`sources` names; where every file was known before, none is looked at a second time."""
        listing = self._listing(node)
        digest = self.store.listings.known(listing)
        if digest is None:
            found = self.sources(node)
            digest = digest_listing(found)
            if all(self.store.memo.of(stamp, bond) == found[path] for path, stamp, bond in listing):
                self.store.listings.remember(listing, digest)
        absent = sorted((one.path, one.why) for one in self._absent[node.name])
        return digest_value([digest, absent]) if absent else digest

    def _digest(self, path: Path) -> str:
        try:
            if self.read_files:
                return self.store.memo.digest(path)
            known = self.store.memo.known(path)
            if known is None and path.stat().st_size <= self._light_bytes:
                self._light_bytes -= path.stat().st_size
                known = self.store.memo.digest(path)
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}") from error
        if known is None:
            raise _UnreadFiles(_unread(path))
        return known

    def sources_changed(self, node: Node) -> str:
        """Name of a raw file that changed since its digest was taken, or ``""``."""
        if not node.stage.sources or "world" in node.reads:
            return ""
        listing = self._listing(node)
        if self.store.listings.known(listing) is not None and listing.unchanged():
            return ""
        for relative, digest in self.sources(node).items():
            try:
                if self.store.memo.digest(listing.root / relative) != digest:
                    return relative
            except OSError:
                return relative
        return ""


def damage(error: StoreError) -> str:
    """What is wrong with a record that the store refused, without its long name."""
    cause = error.__cause__
    return f"its record {str(cause).removeprefix('it ')}" if isinstance(cause, ValueError) else error.message


def _reads_raw(node: Node) -> bool:
    """Whether the stage reads raw files, rather than those of a drawn world."""
    return bool(node.stage.sources) and "world" not in node.reads


def closure(fingerprint: Fingerprint, node: Node) -> dict[str, Module]:
    """The modules reachable from a node's stage, those that its parameters choose included."""
    return fingerprint.closure(node.stage.entry.partition(":")[0], node.declared("modules"))


class _UnreadFiles(StoreError):
    """A file's digest is not known and may not be taken now."""


def _unread(path: Path) -> str:
    """Why a file's digest is not known."""
    if mounts.bond(path).name:
        return f"{path.name} is new or was changed"
    return f"{path.name} has to be read: times of change on {mounts.mount_of(path).kind} prove nothing (docs/SCALE.md)"


def plain_params(node: Node) -> dict[str, object]:
    """The keyed parameters of a node as they stand in its key."""
    return _plain(keyed_params(node))


def _plain(params: dict[str, object]) -> dict[str, object]:
    """Parameters as JSON values."""
    return {
        name: list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value
        for name, value in params.items()
    }
