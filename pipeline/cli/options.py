"""The options that verbs share, each described once: from this table come the decorators, what ``make`` carries on, and every hint."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click

from pipeline import paths

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Option:
    """One option: the flags that people type, and what click is told of it."""

    flags: tuple[str, ...]
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def default(self) -> Any:
        """Its value where it was not typed."""
        return self.told.get("default", () if self.told.get("multiple") else False if self.told.get("is_flag") else None)

    def words(self, value: Any) -> list[str]:
        """``value`` as it would be typed; nothing for the default."""
        if value == self.default or value is None:
            return []
        if self.told.get("is_flag"):
            return [self.flags[-1]]
        values = value if self.told.get("multiple") else [value]
        return [word for one in values for word in (self.flags[-1], str(one))]


def _names(kind: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """What a shell offers for an option that names a config."""

    def offered(ctx: click.Context, param: click.Parameter, begun: str) -> list[str]:
        from pipeline.config import names

        return [name for name in names(kind) if name.startswith(begun)]

    return offered


def _directory(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    return paths.expanded(value) if value is not None else None


#: Name of the parameter -> the option.
OPTIONS: dict[str, Option] = {
    "dataset": Option(
        ("--dataset",),
        {
            "default": "",
            "help": "Name of a file of configs/datasets (default: KDPIPE_DATASET, or the one that the system's config names).",
            "shell_complete": _names("datasets"),
        },
    ),
    "system": Option(
        ("--system",),
        {
            "default": "",
            "help": "Name of a file of configs/systems (default: videoqa, or KDPIPE_SYSTEM).",
            "shell_complete": _names("systems"),
        },
    ),
    "settings": Option(
        ("--set",), {"multiple": True, "metavar": "KEY=VALUE", "help": "Change one parameter, for example student.kd_alpha=2."}
    ),
    "data_root": Option(
        ("--data-root",),
        {
            "type": click.Path(path_type=Path, file_okay=False),
            "envvar": "DATA_ROOT",
            "callback": _directory,
            "help": "Directory of the raw dataset.",
        },
    ),
    "seeds": Option(("--seeds",), {"type": click.IntRange(1), "help": "How many seeds stochastic stages run with."}),
    "seed": Option(("--seed",), {"type": click.IntRange(0), "help": "Run with this one seed."}),
    "device": Option(("--device",), {"default": "", "help": "cpu, cuda, cuda:1 ... (default: cuda where there is one)."}),
    "allow_stale": Option(
        ("--allow-stale",), {"is_flag": True, "help": "Go on with old results of inputs that are not fresh; the record says so."}
    ),
    "workers": Option(("--workers",), {"type": click.IntRange(1), "help": "Worker processes of one stage (default: all cores)."}),
    "threads": Option(
        ("--threads",), {"type": click.IntRange(1), "default": 1, "show_default": True, "help": "Threads of one computing process."}
    ),
    "verify": Option(
        ("--verify",),
        {"is_flag": True, "envvar": "KDPIPE_VERIFY", "help": "Read every byte of what a stage reads, also if its digest is remembered."},
    ),
    "upstream": Option(
        ("--upstream",),
        {"default": "", "metavar": "DIR|URL", "help": "Take from this store the results that it has (default: KDPIPE_UPSTREAM)."},
    ),
    "log_json": Option(("--log-json",), {"is_flag": True, "help": "Progress as JSON lines on standard error."}),
    "log": Option(
        ("--log",),
        {"multiple": True, "metavar": "KIND:PLACE", "help": "Also send every epoch of a training to tensorboard:DIR or wandb:PROJECT."},
    ),
    "dry_run": Option(("--dry-run",), {"is_flag": True, "help": "Only show what would be done."}),
    "as_json": Option(("--json",), {"is_flag": True, "help": "Print the answer as JSON."}),
    "verbose": Option(("-v", "--verbose"), {"is_flag": True, "help": "Show tracebacks."}),
}

#: What is meant: which graph, and which results of it count.
WHAT = ("dataset", "system", "settings", "data_root", "seeds", "seed", "device", "allow_stale")
#: How it is computed: none of these may change a result.
HOW = ("workers", "threads", "verify", "upstream", "log_json", "log")
#: How it is shown.
LOOK = ("as_json", "verbose")


def takes(*names: str) -> Callable[[F], F]:
    """Decorator: the command has these options of the table, and no other of them."""

    def decorate(function: F) -> F:
        for name in reversed([name for name in OPTIONS if name in names]):
            option = OPTIONS[name]
            function = click.option(*option.flags, name, **option.told)(function)
        return function

    return decorate


def taken(command: click.Command) -> set[str]:
    """Names of the table's options that a command has."""
    return {param.name for param in command.params if param.name in OPTIONS}


def shell_words(values: Mapping[str, Any], names: Collection[str]) -> str:
    """Those of ``values`` (parameter name -> value) that are in ``names``, as one would type them, on one line."""
    return " ".join(quoted(word) for name, option in OPTIONS.items() if name in names for word in option.words(values.get(name)))


def quoted(word: str) -> str:
    """``word`` as a word of a shell, on one line: bash's ``$'...'`` for line breaks and bytes that are no text."""
    if word.isprintable():
        return shlex.quote(word)
    return "$'" + "".join(chr(b) if 32 <= b < 127 and b not in b"'\\" else f"\\x{b:02x}" for b in os.fsencode(word)) + "'"
