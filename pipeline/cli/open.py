"""``kdpipe open``: where a result's files are, checked before they are shown."""

from __future__ import annotations

from pathlib import Path

import click

from cache.errors import KdpipeError, StoreError, nearest
from cache.record import Record
from cache.store import Store
from pipeline.cli.options import WHAT
from pipeline.cli.session import Session, say_assumed, session_options
from pipeline.resolve import resolve
from pipeline.text import line_text


@click.command("open")
@click.argument("result")
@click.argument("file", required=False, default="")
@click.option("--launch", is_flag=True, help="Open it with the system's viewer.")
@session_options(*WHAT, "verify", "verbose")
def open(session: Session, result: str, file: str, launch: bool) -> None:
    """Print the path of RESULT's directory (a node, a pin or a key), or of FILE in it.

    The content of FILE is compared with what was published; of a directory the sizes are, with --verify every byte.
    """
    judge = session.look()
    found = resolve(judge, result)
    say_assumed(judge)
    if len(found) > 1:
        raise KdpipeError(
            f"'{line_text(result)}' names {len(found)} results: {', '.join(one.name for one in found)}", hint="name one of them"
        )
    record = found[0].record
    if record is None:
        raise session.never_made(found[0].name)
    path = checked(session.store, record, file, contents=session.options.verify)
    click.echo(path)
    if launch and click.launch(str(path)) != 0:
        raise KdpipeError(f"the system has no viewer for {path}")


def checked(store: Store, record: Record, file: str, *, contents: bool = False) -> Path:
    """The directory of a result, or ``file`` in it. Raises StoreError if it is not what was published, KdpipeError if there is none."""
    if not file:
        store.check_object(record.object, contents=contents)
        return store.files(record).absolute()
    entries = {entry.path: entry for entry in store.manifest(record.object).files}
    if file not in entries:
        raise KdpipeError(f"there is no file '{line_text(file)}' in {record.node or record.digest[:12]}", hint=nearest(file, entries))
    path = (store.files(record) / file).absolute()
    if not entries[file].matches(path, contents=True):
        raise StoreError(f"{path} is damaged: it is not what was published", hint="kdpipe fsck --repair puts it aside; run again then")
    return path
