"""``kdpipe doctor``: is the machine fit, are the weights sound, are a dataset's videos whole? Before hours of work, not after."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from cache.digest import digest_file
from cache.errors import KdpipeError
from cache.ledger import STATES
from pipeline import paths
from pipeline.cli.bench import say_speeds, speeds_of
from pipeline.cli.options import LOOK, WHAT
from pipeline.cli.session import Session, session_options
from pipeline.cli.typed import command
from pipeline.environment import Check, environment
from pipeline.mediascan import Tally, scan
from pipeline.progress import Bars
from pipeline.ready import SEED, missing_weights
from pipeline.text import line_text, size_text, tolerance_text

#: Kinds of codec, size ... that a line shows.
MOST = 4


@click.command()
@click.option("--decode", is_flag=True, help="Decode every frame of every video; else the header and the first frame.")
@click.option("--timeout", type=click.FloatRange(min=0), help="Seconds a file (default: 60, with --decode sample.timeout; 0: no limit).")
@click.option("--torch", "ask_torch", is_flag=True, help="Import torch and compute something on the device.")
@click.option("--bench", is_flag=True, help="Measure which runtime and precision extracts fastest here, and what each costs in accuracy.")
@session_options(*WHAT, "workers", "threads", "log_json", *LOOK)
def doctor(session: Session, decode: bool, timeout: float | None, ask_torch: bool, bench: bool) -> None:
    """Check the machine and the weights and, with --dataset or a data root, every video of the dataset. Changes nothing.

    Ends with 1 if something would fail, or if more videos are lost than index.max_lost and sample.max_lost allow.
    """
    given = click.get_current_context().params
    root = session.graph.config.root or paths.data_root()
    checks = [*environment(session.store.root, root, torch=ask_torch), *_weights(session)]
    tally, problems, allowing = None, [f"{check.what}: {check.text}" for check in checks if check.state == "bad"], list[str]()
    if not session.json:
        _say_checks(checks)
    if bench and not session.json:
        say_speeds(speeds_of(session))
    if given["dataset"] or root is not None:
        tally = _scan(session, decode, timeout)
        for problem, setting in _losses(session, tally):
            problems.append(problem)
            allowing += [setting] if setting else []
    if session.json:
        speeds: dict[str, Any] = {"bench": list(speeds_of(session))} if bench else {}
        click.echo(
            json.dumps({"checks": [dataclasses.asdict(c) for c in checks], **_plain(tally), **speeds, "problems": problems}, indent=1)
        )
    else:
        if tally is not None:
            _say_media(session, tally, decode)
        click.echo(_next(session, tally, problems, allowing))
    sys.exit(1 if problems else 0)


def _weights(session: Session) -> Iterator[Check]:
    """The weights that networks are configured with, once for all seeds: there, and the published bytes where their digest is known."""
    from models import published as table

    for use, node in {SEED.sub("", node.name): node for node in session.graph.nodes.values()}.items():
        if not getattr(node.params, "named_weights", "") or session.graph.lacks(node.name):
            continue  # imported features need none, nor does a dataset that holds no videos
        name, network, wanted, file = f"{use}.weights", node.params.network, node.params.named_weights, node.params.weights_file
        if wanted == "random":
            yield Check(name, "note", f"{network.name}: random")
            continue
        try:
            missing = missing_weights(node)
            if missing is not None:
                yield Check(name, "bad", *missing)
                continue
            full = f"{network.name}.{wanted}"
            own = wanted == "file" or (full not in table.WEIGHTS and Path(file).stem in (wanted, full))  # imported under a name of its own
            yield _weights_file(name, None if own else table.find(network.name, wanted), file, session)
        except KdpipeError as error:
            yield Check(name, "bad", error.message, error.hint)


def _weights_file(name: str, known: Any, file: str, session: Session) -> Check:
    from models.weights import check

    path = known.path if known is not None and known.shipped else paths.file_at(file)
    if path is None or not path.is_file():
        return Check(name, "bad", f"{file} is not there", "kdpipe weights ls shows where each file comes from")
    if known is not None:
        check(known, path)
    digest = session.store.memo.known(path) or digest_file(path)
    told = "sha256 as published" if known is not None and known.sha256 else "no digest is published"
    return Check(name, "ok", f"{path.name}, {size_text(path.stat().st_size)}, {told} ({digest[:12]})")


def _scan(session: Session, decode: bool, timeout: float | None) -> Tally:
    node = session.graph.nodes["index"]
    root = session.judge().data_root(node)
    assert root is not None
    memo = session.store.root / "memo"
    if timeout is None:
        timeout = session.graph.nodes["sample"].params.timeout if decode and "sample" in session.graph.nodes else 60.0
    return scan(
        node.params.layout,
        root,
        memo=str(memo / "digests.log") if memo.is_dir() and not session.options.verify else "",
        decode=decode,
        workers=session.options.workers,
        timeout=timeout,
        keep=session.json,
        bar=Bars("doctor", session.options.progress),
    )


def _losses(session: Session, tally: Tally) -> Iterator[tuple[str, str]]:
    """What is lost beyond the tolerance of a stage that will meet it, and the setting that tolerates it (empty: nothing would be left)."""
    for stage, lost in (("index", tally.counts["missing"]), ("sample", tally.lost)):
        if stage not in session.graph.nodes:
            continue  # features are imported: no video is opened
        allowed = session.graph.nodes[stage].params.max_lost
        if tally.total and lost / tally.total > allowed:
            share = f"{lost} of {tally.total} {tally.noun} ({lost / tally.total:.1%})"
            told = f"{share} {'are missing' if stage == 'index' else 'would be lost'}; {stage}.max_lost allows {allowed:.1%}"
            yield told, tolerance_text(f"{stage}.max_lost", lost, tally.total)


def _plain(tally: Tally | None) -> dict[str, Any]:
    if tally is None:
        return {}
    return {
        "counts": dict(tally.counts),
        "kinds": {kind: dict(counted) for kind, counted in tally.kinds.items()},
        "duplicates": tally.duplicates(),
        "unused": tally.unused,
        "files": tally.rows,
    }


def _say_checks(checks: list[Check]) -> None:
    width = max(len(check.what) for check in checks)
    for check in checks:
        click.echo(f"{check.state:4}  {line_text(check.what):{width}}  {line_text(check.text)}")
        if check.state != "ok" and check.hint:
            click.echo(f"{'':{width + 8}}{check.hint}")


def _say_media(session: Session, tally: Tally, decode: bool) -> None:
    how = "every frame decoded" if decode else "header and first frame; --decode reads every frame"
    click.echo(f"\n{session.graph.config.dataset}: {tally.total} {tally.noun}, {size_text(tally.bytes)} ({how})")
    for state in STATES:
        if tally.counts[state]:
            click.echo(f"  {state:13}{tally.counts[state]:>7}  {STATES[state] if state != 'ok' else ''}".rstrip())
            for id, reason in tally.first.get(state, []):
                click.echo(f"      {line_text(id)}: {line_text(reason)}")
            if tally.counts[state] > len(tally.first.get(state, [])) > 0:
                click.echo(f"      and {tally.counts[state] - len(tally.first[state])} more")
    for kind, counted in tally.kinds.items():
        if counted:
            rest = len(counted) - MOST
            told = ", ".join(f"{line_text(value)} {n}" for value, n in counted.most_common(MOST))
            click.echo(f"  {kind:17} {told}{f' and {rest} more kinds' if rest > 0 else ''}")
    same = tally.duplicates()
    if same:
        first = "; ".join(" = ".join(line_text(id) for id in ids[:3]) for ids in same[:3])
        click.echo(f"  duplicates        {len(same)} groups of files with the same bytes: {first}")
    if tally.unused:
        click.echo(f"  not used          {len(tally.unused)} files that the dataset does not name, such as {line_text(tally.unused[0])}")


def _next(session: Session, tally: Tally | None, problems: list[str], allowing: list[str]) -> str:
    if problems:
        told = "".join(f"\nproblem: {line_text(problem)}" for problem in problems)
        if allowing:
            told += f"\nto go on without the lost videos: {' '.join(f'--set {setting}' for setting in allowing)}"
        return f"{told}\nonce that is mended: {command('doctor')}"
    if tally is None:
        return f"nothing stands in the way; next: {command('doctor')} looks at the videos"
    lack = "".join(filter(None, map(session.graph.lacks, session.graph.select("features"))))
    if lack:
        return f"nothing stands in the way, but {session.graph.config.system} has nothing to do here: {lack}"
    return f"nothing stands in the way; next: {command('run', 'features')}"
