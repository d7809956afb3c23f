"""What a stage is: the contract between the pipeline and everything that computes.

A stage declares what it reads, its parameters and one function that does the work. The declaration is light
(no torch, no PyAV): it is imported by ``kdpipe status``. The function is named as ``"package.module:function"`` and
imported only when there is something to compute; the code fingerprint starts from that module's file.

A *node* is one use of a stage in the graph of a dataset x system: the same stage may appear several times (two kinds
of features, three seeds). Its name is what refs, ``status`` and the command line show, for example
``student.kd.s0``: the part before the first dot is the stage, the rest tells the uses apart.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from cache.members import Members
from cache.option import option as option

if TYPE_CHECKING:
    from cache.items import ItemSet
    from cache.ledger import Ledger

P = TypeVar("P")


@dataclass(frozen=True)
class Absent:
    """What lies where a raw file was looked for and is none (a link into nothing, say); it is keyed by path and reason."""

    path: str
    why: str


@dataclass(frozen=True)
class Stage:
    """Declaration of a stage.

    name:     what its nodes are called, ``"extract"``.
    entry:    ``"package.module:function"``; ``function(ctx: Context) -> None`` does the work.
    params:   frozen dataclass of parameters, every one with a default (see :func:`cache.option.option`).
    version:  schema version of what it writes; raise it when the layout of the output changes.
    files:    names of parameters that hold a path of an external file (weights, vectors): keyed by content, wherever it lies.
    facets:   keyed environment facets that can change its bits: ``"device"``, or none.
    items:    of a stage that keeps a layer of items: the names of the inputs (``"sources"``: the raw files) that its rows stand for.
              A row's key is the digest of all that it was made of there, so other inputs of these names share the row. Every input
              that is not named here is in the key of the item set: another teacher has other rows.
    sources:  ``"module:function"``; ``function(params, root) -> Iterator[str | Absent]`` yields the paths, relative to the data
              root, of the raw files that the stage reads. They are keyed by relative path and content.
    tolerance: name of the parameter that holds the tolerated fraction of lost items, or ``""``.
    modules:  dotted modules reached dynamically (a registry), or the name of a property of the params record that gives
              them (only what this use of the stage reaches): they join the code fingerprint.
    data:     name of a property of the params record that gives the paths of packaged data files (shipped weights, tables of an
              installed package) that this use of the stage reads, or ``""``: keyed by name and content.
    libraries: distributions (``"scikit-learn"``) whose versions can change its bits, or the name of a property of the params record
              that gives them: they are keyed with the facets.
    help:     what ``kdpipe --help`` says of it: the stage is then a verb, ``kdpipe NAME``.
    verb:     the verb that it shares with others instead: ``"distill"`` is ``kdpipe distill --stage NAME``.
    raw:      it opens raw files: it sees the data root, and reads the drawn world where there is one.
    needs:    what it looks for in a dataset, as layouts name what they hold (``"videos"``, ``"questions"``), or the name of a
              property of the params record that gives them.
    reads:    of a stage that systems share: the shared stages that it reads if nobody says otherwise (:class:`Shared`).
    before:   (input, stage of the same name) of nodes of their own, ``node.input``, which read what the node reads and are read by it.
              Their parameters are those of that name of the node.
    wanted:   name of the property of the params record that says which of these there are: a tuple of inputs.
    lasting:  its result says something of the dataset that other videos are then treated by: a prediction takes it as it is.
    """

    name: str
    entry: str
    params: type
    version: int = 1
    files: tuple[str, ...] = ()
    facets: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    sources: str = ""
    tolerance: str = ""
    modules: tuple[str, ...] | str = ()
    data: str = ""
    libraries: tuple[str, ...] | str = ()
    help: str = ""
    verb: str = ""
    raw: bool = False
    needs: tuple[str, ...] | str = ()
    reads: tuple[str, ...] = ()
    before: tuple[tuple[str, Stage], ...] = ()
    wanted: str = ""
    lasting: bool = False


@dataclass(frozen=True, init=False)
class Node:
    """One use of a stage in a graph.

    ``reads`` maps the name under which the stage sees an input (``ctx.inputs[name]``) to the name of the node that makes it; a node may
    be given for its name.
    """

    name: str
    stage: Stage
    params: Any
    reads: Mapping[str, str]

    def __init__(self, name: str, stage: Stage, params: Any, reads: Mapping[str, Node | str] | None = None) -> None:
        if name.split(".")[0] != stage.name:
            raise ValueError(f"node {name!r} must be named after its stage {stage.name!r}")
        names = {alias: read.name if isinstance(read, Node) else read for alias, read in (reads or {}).items()}
        vars(self).update(name=name, stage=stage, params=params, reads=names)

    def declared(self, what: str) -> tuple[str, ...]:
        """``"modules"``, ``"libraries"`` or ``"needs"`` of this use of the stage."""
        value = getattr(self.stage, what)
        return tuple(getattr(self.params, value) if isinstance(value, str) else value)


class Config(Protocol):
    """The settings that a system's ``nodes`` is given."""

    @property
    def seeds(self) -> list[int]: ...

    def params(self, section: str, cls: type[P], *, idle: Mapping[str, str] | None = None, **fixed: Any) -> P:
        """The record ``cls`` with what is configured in ``section``, and ``fixed``, which the graph decides.

        In a section its beginnings hold too: ``student`` in ``student.kd``. If the record has an attribute ``falls_back_to``, that
        section does: ``train`` in ``teacher`` and ``student``. ``idle`` says of parameters why they cannot matter in this graph.
        """

    def graph(self, cls: type[P]) -> P:
        """The record ``cls`` of the section ``graph``: what decides which nodes there are."""

    def imported_weights(self, backbone: str, name: str) -> str:
        """The file of imported weights that ``name`` of ``backbone`` means; "" if there is none."""


class Shared(Protocol):
    """The nodes of shared stages that a system's ``nodes`` asks for: ``shared("questions")``, ``shared("extract", "motion")``."""

    def __call__(self, stage: str, use: str = "", *, reads: Mapping[str, Node] | None = None, **fixed: Any) -> Node:
        """The node ``stage.use``, the same one however often it is asked for.

        Its section has its name. It reads what its stage declares, or ``reads``. ``use`` tells the uses of a stage apart
        (``shared("sample", "audio", policy="audio")``) and is the parameter ``kind`` of a stage that has one.
        """

    def imported(self, kind: str) -> Node | None:
        """What was imported of a kind (``mm_features``, ``rgb_l8``) and would not be used unless a system asks; None if nothing was."""


@dataclass(frozen=True)
class Epoch:
    """What a training says of itself at the end of an epoch. It is shown, and nothing that it computes depends on it.

    number: of the epoch, from 1, ``of`` so many at most.
    record: what was measured in it, by name: ``train_loss``, ``val_accuracy``, ``rate``.
    by:     the number of the record by which an epoch is kept, "" if the last one is; ``best`` is the one that is kept so far (0: none).
    """

    number: int
    of: int
    record: Mapping[str, float]
    by: str = ""
    best: int = 0


class Progress(Protocol):
    """A progress bar: ``with ctx.progress("decode", total=n) as bar: bar.step()``; trainings also say how each ``epoch`` went."""

    def step(self, n: int = 1, note: str = "") -> None: ...

    def epoch(self, epoch: Epoch) -> None: ...

    def __enter__(self) -> Progress: ...

    def __exit__(self, *exc: object) -> None: ...


class Quiet:
    """Progress that nobody sees; ``n`` is how far it is."""

    def __init__(self, what: str = "", total: int | None = None, unit: str = "item") -> None:
        self.n = 0

    def step(self, n: int = 1, note: str = "") -> None:
        """Count."""
        self.n += n

    def epoch(self, epoch: Epoch) -> None:
        """Say nothing."""

    def __enter__(self) -> Quiet:
        return self

    def __exit__(self, *exc: object) -> None:
        return None


@dataclass
class Context:
    """Everything a stage's function may touch.

    params:  the stage's params record.
    inputs:  name -> directory of the input artifact (read-only).
    input_items: name -> item set behind an input artifact whose stage keeps items (read-only).
    out:     empty directory; every file written here becomes the artifact.
    scratch: directory that survives a kill and is found again by the next run of the same key (checkpoints);
             removed after the result is published.
    root:    data root: the directory that holds the raw videos and annotations, if the graph has one.
    sources: relative path -> content digest (hex sha256) of the raw files that the stage's ``sources`` named.
    files:   parameter name -> path of an external file.
    items:   the stage's own item set (``None`` without ``Stage.items``).
    ledger:  outcome of every item; written to ``ledger.jsonl`` in the artifact.
    members: what each item is: ``members.add(id, row key, digest of what came out)``; for ``why`` and ``fsck``, not in the artifact.
    progress: factory of progress bars.
    notes:   name -> what computed this (a kernel that only some machines have): said when the run ends, and recorded beside the versions.
    workers: how many processes the stage may use; ``threads`` how many threads one of them may use.
    device:  ``"cpu"``, ``"cuda"``, ``"cuda:1"`` ...
    node:    the name of the node, for what people are told to type: a stage may have several.
    """

    params: Any
    out: Path
    scratch: Path
    ledger: Ledger
    progress: Callable[..., Progress]
    members: Members = field(default_factory=Members)
    inputs: Mapping[str, Path] = field(default_factory=dict)
    input_items: Mapping[str, ItemSet] = field(default_factory=dict)
    root: Path | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    items: ItemSet | None = None
    workers: int = 1
    threads: int = 1
    device: str = "cpu"
    notes: dict[str, str] = field(default_factory=dict)
    node: str = ""


def keyed_params(node: Node) -> dict[str, Any]:
    """Return the parameters that belong to the key, by name, in declaration order; of files it holds the content instead."""
    keyed = [f.name for f in _fields(node.params) if f.metadata.get("keyed", True)]
    return {name: getattr(node.params, name) for name in keyed if name not in node.stage.files}


def _fields(params: Any) -> Iterator[dataclasses.Field[Any]]:
    if not dataclasses.is_dataclass(params):
        raise TypeError(f"params must be a dataclass, not {type(params).__name__}")
    return iter(dataclasses.fields(params))
