"""The command ``kdpipe``. Subcommands are imported when they are called, so that the light ones stay light."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import click

from cache.errors import KdpipeError, disk_error, nearest
from pipeline.cli.groups import grouped
from pipeline.declared import declared

#: Command -> (module, what ``--help`` says of it), under the headings of :mod:`pipeline.cli.groups`; stages are declared elsewhere.
COMMANDS: dict[str, tuple[str, str]] = {
    "world": ("world", "Draw the embedded world: real videos in an official layout, no download."),
    "distill": ("stages", "Train a teacher, dump its targets, or train students."),
    "report": ("report", "Show the result: tables, curves, cost."),
    "compare": ("compare", "Compare two results: settings and code, scores, the items that changed."),
    "predict": ("predict", "Ask a trained network about your own videos."),
    "export": ("export", "Write a trained network as files that need no kdpipe."),
    "run": ("run", "Run what a target needs, in order."),
    "fill": ("fill", "Make rows of a stage beside others, on any machine that shares the store; run publishes them."),
    "plan": ("plan", "Show what would run, in order, and why."),
    "status": ("status", "Show where every stage stands."),
    "params": ("params", "List every parameter of a stage: default, meaning, range, when it counts."),
    "why": ("why", "Show why a stage is not fresh, as a difference."),
    "one": ("one", ""),
    "accept": ("accept", "Accept an old result after an edit that changes nothing, with the reason."),
    "pin": ("accept", "Keep a result by name."),
    "unpin": ("accept", "Forget a pin."),
    "doctor": ("doctor", "Check the machine, the weights and a dataset's videos before hours of work."),
    "fsck": ("fsck", "Check the store, and put aside what is damaged."),
    "gc": ("gc", "Show or remove what nothing needs any more."),
    "ls": ("ls", "List results: what they were made from, who uses them; or draw it."),
    "show": ("show", "Show a result: its record, its files, its ledger."),
    "open": ("open", "Print where a result's files are, checked; or open them."),
    "import-features": ("import_features", "Use features that somebody else extracted: HDF5 files or npy trees."),
    "export-features": ("export_features", "Write features as published code reads them: HDF5 or npy."),
    "export-derived": ("export_derived", "Write flow, depth and skeletons as published code reads them: folders of pictures, npy, .flo."),
    "compare-features": ("compare_features", "Compare two sets of features, video by video."),
    "make-records": ("make_records", "Describe your own videos second by second, in the format of YouTube-8M."),
    "weights": ("weights", "List, check and import published weights."),
    "push": ("transfer", "Copy results to a directory or URL that a team shares."),
    "pull": ("transfer", "Fetch results from there instead of computing them."),
}


#: How much is repeated of words that click does not know.
LONGEST = 500


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands that people call."""
        return [*verbs(), *(name for name, (_, text) in COMMANDS.items() if text)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in COMMANDS:
            from pipeline.cli.stages import verb

            stage = declared("stages").get(cmd_name) or declared("systems").get(cmd_name)  # a broken system stops no shared stage
            return verb(stage) if stage is not None and stage.help else None
        module = importlib.import_module(f"pipeline.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """As click does, but an unknown command names the nearest one."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            ctx.fail(f"no such command '{args[0]}'; {nearest(args[0], [*verbs(), *COMMANDS])}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by what people do with them, without importing their modules."""
        for title, rows in grouped({name: text for name, (_, text) in COMMANDS.items() if text}, verbs()).items():
            with formatter.section(title):
                formatter.write_dl(list(rows.items()))


def verbs() -> dict[str, str]:
    """Stage that is a command -> what it says of itself."""
    return {stage.name: stage.help for stage in declared("stages", "systems").values() if stage.help and stage.name not in COMMANDS}


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from pipeline.installed import own_version, versions

        found = versions()
        click.echo(f"kdpipe {own_version()} (Python {found['python']}, torch {found.get('torch', 'not installed')})")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_print_version, help="Print the version and exit.")
def cli() -> None:
    """Video knowledge distillation, from raw video to a small model that answers."""
    from pipeline.cli.surroundings import known_settings, own_checkout

    own_checkout()
    known_settings()


def main() -> None:
    """Run the command line, by itself or in each of the processes that ``torchrun`` started."""
    # RANK and WORLD_SIZE alone do not say so: some clusters set them for every command of a job
    if "TORCHELASTIC_RUN_ID" not in os.environ or os.environ.get("WORLD_SIZE") == "1":
        sys.exit(_run(_command))
    from models.training.launched import serving

    with serving() as launched:
        sys.exit(_run(_command if launched.first else launched.follow))


def _command() -> Any:
    return cli.main(standalone_mode=False)


def _run(work: Callable[[], Any]) -> int:
    """Do what this process is for; errors of ours are shown as messages, others as such with ``-v``."""
    from pipeline.cli.surroundings import settle

    settle()
    verbose = any(arg in ("-v", "--verbose") for arg in sys.argv[1:])
    try:
        code = work()
    except KdpipeError as error:
        _complain(f"error: {error}", verbose)
        code = 1
    except click.ClickException as error:
        if len(error.message) > LONGEST:
            vars(error)["message"] = f"{error.message[:LONGEST]}…"
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; what was finished is kept, run the same command to go on", err=True)
        code = 130
    except OSError as os_error:
        told = _output_error(os_error) or disk_error(os_error)
        _complain(f"error: {told}" if told is not None else _internal(os_error), verbose)
        code = 1 if told is not None else 70
    except Exception as error:  # noqa: BLE001 - the last resort of a command line
        _complain(_internal(error), verbose)
        code = 70
    return code if isinstance(code, int) else 0


def _output_error(error: OSError) -> KdpipeError | None:
    """What to say if standard output, and not the store, could not be written. (Where nobody reads any more, click ends the command.)"""
    if traceback.extract_tb(error.__traceback__)[-1].name != click.echo.__name__:
        return None
    return KdpipeError(f"the answer cannot be written to standard output: {error.strerror}", hint="what was computed is kept")


def _internal(error: Exception) -> str:
    return f"internal error: {type(error).__name__}: {error}\n  run again with -v to see where"


def _complain(message: str, verbose: bool) -> None:
    if verbose:
        traceback.print_exc()
    click.echo(message, err=True)
