"""The session that the options of a command line describe: configuration, graph, store, judge."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from cache.errors import ConfigError, KdpipeError
from cache.store import Store
from pipeline import imports, paths
from pipeline.checked import shown
from pipeline.cli.options import OPTIONS, takes
from pipeline.cli.typed import completed
from pipeline.config import Config, local_file, named, shown_on
from pipeline.graph import Graph, build
from pipeline.imports import Import
from pipeline.judge import Judge
from pipeline.progress import mode, say_json
from pipeline.ready import require_possible
from pipeline.runner import Options, Upstream
from pipeline.sinks.sink import specs

#: The system, when neither the command line, the environment nor kdpipe.local.yaml names one. Its config names its dataset.
SYSTEM = "videoqa"


@dataclass(frozen=True)
class Session:
    """What the options of a command line amount to."""

    graph: Graph
    store: Store
    settings: tuple[str, ...]
    device: str
    allow_stale: bool
    options: Options
    verbose: bool
    json: bool
    dry_run: bool

    def judge(self, *, read_files: bool = False) -> Judge:
        """A judge of this session's graph."""
        read_files = read_files or self.options.verify
        return Judge(self.store, self.graph, device=self.device, read_files=read_files, allow_stale=self.allow_stale)

    def trust(self) -> Judge:
        """A judge for who fills rows: what earlier stages read is taken to be as it was, and not read again by every process."""
        return Judge(self.store, self.graph, device=self.device, allow_stale=self.allow_stale, trusting=True)

    def look(self, *, read_files: bool = False) -> Judge:
        """A judge for who only looks: what is not there now is taken to be as it was; :func:`say_assumed` tells of it."""
        return Judge(self.store, self.graph, device=self.device, read_files=read_files, allow_stale=self.allow_stale, looking=True)

    def never_made(self, name: str, what: str = "was never made") -> KdpipeError:
        """The error for a node without a result, or whatever else; it names the command that makes one, if there can be one."""
        lack = self.graph.lacks(name) if name in self.graph.nodes else ""
        if lack:
            return KdpipeError(f"{name} cannot be made: {lack}", hint=possible(self.graph))
        return KdpipeError(f"{name} {what}", hint=f"kdpipe run {name}")

    def over(self, brought: Mapping[str, Import]) -> Session:
        """The same session with these imported features, and the weights that are in the store by now."""
        config = self.graph.config
        weights = imports.weights(self.store)
        again = Config(config.dataset, config.system, self.settings, root=config.root, imports=brought, weights=weights)
        return dataclasses.replace(self, graph=build(again))

    def with_settings(self, more: Sequence[str]) -> Session:
        """The same session with these settings (``student.kd_alpha=2``) beside those that were typed."""
        config, settings = self.graph.config, (*self.settings, *more)
        brought, weights = imports.current(self.store, config.dataset), imports.weights(self.store)
        again = Config(config.dataset, config.system, settings, root=config.root, imports=brought, weights=weights)
        return dataclasses.replace(self, graph=build(again), settings=settings)


def default(name: str, system: str = "") -> str:
    """The dataset of ``system``, or the system, to use when none is named. Raises ConfigError if there is none."""
    local = local_file()
    value = os.environ.get(f"KDPIPE_{name.upper()}") or named(f"{system}.{name}", local) or named(name, local)
    return value or (SYSTEM if name == "system" else shown_on(system))


def _upstream(place: str) -> Upstream | None:
    """The store to take results from; it is opened when something is asked of it."""
    if not place:
        return None
    from cache import upstream

    return upstream.Upstream(place, functools.partial(click.echo, err=True))


def session_options(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: give a command these options of the table; it receives a :class:`Session` as its first argument.

    An option that a command does not have stands at its default. The hint of an error is completed by what was typed.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @takes(*names)
        @functools.wraps(function)
        def command(**given: Any) -> Any:
            context = click.get_current_context()
            try:
                rest = {name: value for name, value in given.items() if name not in OPTIONS}
                context.obj = _session({name: given.get(name, option.default) for name, option in OPTIONS.items()})
                return function(context.obj, **rest)
            except KdpipeError as error:
                error.hint = completed(error.hint)
                raise

        return command

    return decorate


def _session(given: Mapping[str, Any]) -> Session:
    chosen = [*given["settings"], *_seeds(given)]
    store = Store(paths.store_root(), recall=not given["verify"])
    system = given["system"] or default("system")
    dataset = given["dataset"] or default("dataset", system)
    brought, weights = imports.current(store, dataset), imports.weights(store)
    config = Config(dataset, system, chosen, root=given["data_root"], imports=brought, weights=weights)
    return Session(
        graph=build(config),
        store=store,
        settings=tuple(chosen),
        device=given["device"],
        allow_stale=given["allow_stale"],
        options=Options(
            workers=given["workers"] or len(os.sched_getaffinity(0)),
            threads=given["threads"],
            progress=mode(given["log_json"]),
            verify=given["verify"],
            upstream=_upstream(given["upstream"] or paths.upstream()),
            sinks=specs(given["log"]),
            say=say_json if given["log_json"] else functools.partial(click.echo, err=True),
        ),
        verbose=given["verbose"],
        json=given["as_json"],
        dry_run=given["dry_run"],
    )


def _seeds(given: Mapping[str, Any]) -> list[str]:
    """What ``--seed`` and ``--seeds`` set. Raises ConfigError where they contradict one another or a setting."""
    if given["seed"] is None and given["seeds"] is None:
        return []
    if given["seed"] is not None and given["seeds"] is not None:
        hint = f"--set first_seed={given['seed']} --seeds {given['seeds']} runs with {given['seeds']} of them, from {given['seed']} on"
        raise ConfigError("--seed means one seed, and --seeds how many: only one of them can be typed", hint=hint)
    found = [f"seeds={given['seeds']}"] if given["seed"] is None else [f"first_seed={given['seed']}", "seeds=1"]
    for text in given["settings"]:
        for own in found:
            if text.partition("=")[0].strip() == own.partition("=")[0] and text.replace(" ", "") != own:
                option = "--seeds" if given["seed"] is None else "--seed"
                raise ConfigError(f"--set {shown(text)} and {option} {given[option[2:]]} contradict one another", hint="type one of them")
    return found


def select(session: Session, targets: tuple[str, ...]) -> list[str]:
    """Names of the nodes that the targets mean; without targets, all that can be made of the dataset.

    Raises ConfigError for a target that can never be made of it.
    """
    graph = session.graph
    names = [name for target in targets for name in graph.select(target)]
    for name in names:
        if lack := graph.lacks(name):
            raise ConfigError(f"{name} cannot be made: {lack}", hint=possible(graph))
    return list(dict.fromkeys(names)) or [name for name in graph.nodes if not graph.lacks(name)]


def possible(graph: Graph) -> str:
    """What can be made instead, as a hint."""
    config = graph.config
    stages = dict.fromkeys(name.split(".")[0] for name in graph.nodes if not graph.lacks(name))
    return f"what can be made with --dataset {config.dataset} --system {config.system}: {', '.join(stages)}"


def say_error(error: KdpipeError) -> None:
    """Tell of what would stop a run, on standard error, to who only looks."""
    error.hint = completed(error.hint)
    click.echo(f"note: {error}", err=True)


def say_impossible(judge: Judge, names: Iterable[str]) -> None:
    """Tell of settings that cannot go together, as ``plan`` and ``run`` say it: who looks is still shown where things stand."""
    try:
        require_possible(judge, names)
    except ConfigError as error:
        say_error(error)


def say_assumed(judge: Judge) -> None:
    """Tell of what could not be looked at, and was taken to be as it was, on standard error."""
    for name, note in judge.assumed.items():
        click.echo(f"note: {name}: {note}", err=True)
