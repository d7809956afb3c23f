"""What a terminal, an account or a current directory may lack, or hold too much of: made good, or said, before a verb begins."""

from __future__ import annotations

import codecs
import io
import os
import shlex
import sys
from collections.abc import MutableMapping
from pathlib import Path

from cache.errors import ConfigError
from pipeline import paths

#: What we print beyond ASCII, for terminals that cannot show it.
PLAIN = {"…": "...", "→": "->", "–": "-", "−": "-", "─": "-", "·": ".", "±": "+-", "²": "2", "×": "x", "√": "sqrt"}

#: Turns for which a thread (of GNU OpenMP, which comes with PyTorch) waits awake for the others. By itself it takes 300,000, in vain where
#: another program has the core of one of them; with fewer than 1,000 idle cores take longer (docs/TRAINING.md).
SPINS = 2000


def settle() -> None:
    """Let output on any terminal be legible, libraries that ask for a home directory when they are imported find one, and threads wait
    for one another as :func:`wait_shortly` says.

    A standard stream that is closed is opened on nothing: the next file that is opened would take its place, and all that is said.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
            setattr(sys, name, io.TextIOWrapper(io.FileIO(number, "rb" if number == 0 else "wb"), encoding="utf-8", write_through=True))
    codecs.register_error("kdpipe-plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="kdpipe-plain")
    if os.path.expanduser("~") == "~":  # noqa: PTH111 - no HOME, and an account that has none: import nltk would fail
        os.environ["HOME"] = "/nonexistent"
    wait_shortly(os.environ)


def wait_shortly(environment: MutableMapping[str, str]) -> None:
    """Let the threads of a PyTorch that is still to be loaded wait awake for a moment only, unless somebody says how they wait."""
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", str(SPINS))


def _plain(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return "".join(PLAIN.get(char, "?") for char in error.object[error.start : error.end]), error.end


def known_settings() -> None:
    """Raise ConfigError for an environment variable that looks like a setting of ours and is none: a misspelt one would do nothing."""
    for name in sorted(os.environ):
        if name.startswith("KDPIPE_") and name not in (*paths.SETTINGS, *paths.INNER):
            known = ", ".join(["DATA_ROOT", *paths.SETTINGS])
            raise ConfigError(f"{name} is set, and means nothing to kdpipe", hint=f"unset it, or mean one of {known}")


def own_checkout() -> None:
    """Raise ConfigError in a checkout of kdpipe that is not the running code's, unless ``KDPIPE_CHECKOUT`` names that of the code."""
    try:
        here = paths.checkout_of(Path.cwd())
    except FileNotFoundError:
        raise ConfigError("the current directory is not there any more", hint="cd to one that is") from None
    said = os.environ.get("KDPIPE_CHECKOUT")
    meant = paths.expanded(said).resolve() if said else here
    if meant is None or meant == paths.PROJECT:
        return
    program = meant / ".venv" / "bin" / "kdpipe"
    own = shlex.join([str(program), *sys.argv[1:]]) if program.exists() else f"make -C {shlex.quote(str(meant))} setup"
    other = f"KDPIPE_CHECKOUT names {meant}" if said else f"the current directory belongs to {meant}"
    raise ConfigError(
        f"this kdpipe runs the code of {paths.PROJECT}, and {other}",
        hint=f"{own}\n  (or, if you mean the code of {paths.PROJECT}: KDPIPE_CHECKOUT={shlex.quote(str(paths.PROJECT))})",
    )
