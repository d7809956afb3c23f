"""Options that every verb has, and the session that they describe: configuration, graph, store, judge."""

from __future__ import annotations

import dataclasses
import functools
import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from cache.errors import ConfigError, KdpipeError
from cache.store import Store
from pipeline import imports, paths
from pipeline.config import Config, read_yaml, shown_on
from pipeline.graph import Graph, build
from pipeline.imports import Import
from pipeline.judge import Judge
from pipeline.progress import mode
from pipeline.runner import Options, Upstream

#: Used when neither the command line, the environment nor kdpipe.local.yaml says otherwise.
DEFAULTS = {"dataset": "world", "system": "videoqa"}


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
        return Judge(self.store, self.graph, device=self.device, read_files=read_files, allow_stale=self.allow_stale)

    def look(self, *, read_files: bool = False) -> Judge:
        """A judge for who only looks: what is not there now is taken to be as it was; :func:`say_assumed` tells of it."""
        return Judge(self.store, self.graph, device=self.device, read_files=read_files, allow_stale=self.allow_stale, looking=True)

    def never_made(self, name: str, what: str = "was never made") -> KdpipeError:
        """The error for a node without a result, or whatever else; it names the command that makes one, if there can be one."""
        lack = self.graph.lacks(name) if name in self.graph.nodes else ""
        if lack:
            return KdpipeError(f"{name} cannot be made: {lack}", hint=possible(self.graph))
        return KdpipeError(f"{name} {what}", hint=f"kdpipe run {name} {self.arguments()}")

    def over(self, brought: Mapping[str, Import]) -> Session:
        """The same session with these imported features, and the weights that are in the store by now."""
        config = self.graph.config
        weights = imports.weights(self.store)
        again = Config(config.dataset, config.system, self.settings, root=config.root, imports=brought, weights=weights)
        return dataclasses.replace(self, graph=build(again))

    def arguments(self) -> str:
        """The options that say *what* to run, as shell words for another kdpipe process."""
        words = ["--dataset", self.graph.config.dataset, "--system", self.graph.config.system]
        for setting in self.settings:
            words += ["--set", setting]
        if self.device:
            words += ["--device", self.device]
        if self.allow_stale:
            words.append("--allow-stale")
        return shlex.join(words)


def default(name: str, system: str = "") -> str:
    """The dataset or system to use when none is named; ``system`` may have a dataset of its own to be shown on."""
    value = os.environ.get(f"KDPIPE_{name.upper()}")
    local = paths.PROJECT / "kdpipe.local.yaml"
    if not value and local.exists():
        value = str(read_yaml(local).get(name) or "")
    if not value and name == "dataset" and system:
        value = shown_on(system)
    return value or DEFAULTS[name]


def _upstream(place: str) -> Upstream | None:
    """The store to take results from; it is opened when something is asked of it."""
    if not place:
        return None
    from cache import upstream

    return upstream.Upstream(place, functools.partial(click.echo, err=True))


def session_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the common options to a command; it receives a :class:`Session` as its first argument."""

    @functools.wraps(function)
    def command(
        dataset: str,
        system: str,
        settings: tuple[str, ...],
        data_root: Path | None,
        seeds: int | None,
        seed: int | None,
        workers: int | None,
        threads: int,
        device: str,
        allow_stale: bool,
        verify: bool,
        upstream: str,
        dry_run: bool,
        log_json: bool,
        verbose: bool,
        as_json: bool,
        **rest: Any,
    ) -> Any:
        chosen = list(settings)
        if seeds is not None:
            chosen.append(f"seeds={seeds}")
        if seed is not None:
            chosen += [f"first_seed={seed}", "seeds=1"]
        store = Store(paths.store_root())
        system = system or default("system")
        dataset = dataset or default("dataset", system)
        brought, weights = imports.current(store, dataset), imports.weights(store)
        config = Config(dataset, system, chosen, root=data_root, imports=brought, weights=weights)
        session = Session(
            graph=build(config),
            store=store,
            settings=tuple(chosen),
            device=device,
            allow_stale=allow_stale,
            options=Options(
                workers=workers or len(os.sched_getaffinity(0)),
                threads=threads,
                progress=mode(log_json),
                verify=verify,
                upstream=_upstream(upstream or paths.upstream()),
                say=functools.partial(click.echo, err=True),
            ),
            verbose=verbose,
            json=as_json,
            dry_run=dry_run,
        )
        return function(session, **rest)

    decorators = [
        click.option(
            "--dataset", default="", help="A config of configs/datasets (default: KDPIPE_DATASET, or the world that fits the system)."
        ),
        click.option("--system", default="", help="A config of configs/systems (default: videoqa, or KDPIPE_SYSTEM)."),
        click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change one parameter, for example student.kd_alpha=2."),
        click.option(
            "--data-root", type=click.Path(path_type=Path, file_okay=False), envvar="DATA_ROOT", help="Directory of the raw dataset."
        ),
        click.option("--seeds", type=click.IntRange(1), help="How many seeds stochastic stages run with."),
        click.option("--seed", type=click.IntRange(0), help="Run with this one seed."),
        click.option("--workers", type=click.IntRange(1), help="Worker processes of one stage (default: all cores)."),
        click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads of one computing process."),
        click.option("--device", default="", help="cpu, cuda, cuda:1 ... (default: cuda where there is one)."),
        click.option("--allow-stale", is_flag=True, help="Go on with old results of inputs that are not fresh; the record says so."),
        click.option("--verify", is_flag=True, envvar="KDPIPE_VERIFY", help="Read every byte of what a stage reads before it starts."),
        click.option("--upstream", default="", metavar="DIR|URL", help="Take results from this store where it has them (KDPIPE_UPSTREAM)."),
        click.option("--dry-run", is_flag=True, help="Only show what would run."),
        click.option("--log-json", is_flag=True, help="Progress as JSON lines on standard error."),
        click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON."),
        click.option("-v", "--verbose", is_flag=True, help="Show tracebacks."),
    ]
    result: Callable[..., Any] = command
    for decorator in reversed(decorators):
        result = decorator(result)
    return result


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


def say_assumed(judge: Judge) -> None:
    """Tell of what could not be looked at, and was taken to be as it was, on standard error."""
    for name, note in judge.assumed.items():
        click.echo(f"note: {name}: {note}", err=True)
