"""What was typed, with another verb: the one place that renders the command to type next.

Stages and the store name a command by its verb and its words (``kdpipe run report``) and know nothing of options. Here the options
that were typed are added to it, as far as that verb has them and the text does not say them itself.
"""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Sequence
from typing import Any

import click
from click.core import ParameterSource

from pipeline.cli.options import OPTIONS, quoted, shell_words, taken
from pipeline.declared import declared
from pipeline.graph import ALIASES

#: A word of a command line: quoted, or without a blank.
WORD = re.compile(r"""\s+((?:"[^"]*"|'[^']*'|[^\s"';,()])+)""")
#: What is a word of a command and not of the sentence round it: an option, a placeholder, anything that no English word looks like.
WRITTEN = re.compile(r"""--?[a-z]|[A-Z|]+$|["'<]|.*(?:\d|[./=~:_].)""")
#: They say how this answer is shown, and are no part of what is meant.
OF_THE_MOMENT = {"as_json", "dry_run"}


def command(verb: str, *words: str) -> str:
    """``kdpipe VERB WORDS`` with the options that were typed."""
    return f"kdpipe {' '.join([verb, *map(quoted, words)])} {_typed(verb, words)}".rstrip()


def completed(text: str) -> str:
    """``text`` with the options that were typed added to every ``kdpipe VERB`` in it; the sentence round a command stays as it is."""
    for match in reversed(list(re.finditer(r"\bkdpipe(?=\s)", text))):
        verb, end, words = "", match.end(), list[str]()
        while word := WORD.match(text, end):
            if not words and _command(longer := f"{verb} {word[1]}".strip()) is not None:
                verb = longer
            elif verb and (WRITTEN.match(word[1]) or _is_target(word[1]) or (words and _takes_value(verb, words[-1]))):
                words += _unquoted(word[1])
            else:
                break
            end = word.end()
        text = f"{text[:end]} {_typed(verb, words)}".rstrip() + text[end:]
    return text


def _is_target(word: str) -> bool:
    """Whether it names nodes, though it looks like English."""
    return word in ALIASES or word in declared("stages", "systems")


def _unquoted(word: str) -> list[str]:
    with contextlib.suppress(ValueError):
        return shlex.split(word)
    return [word]


def _command(verb: str) -> click.Command | None:
    """The command of that name (``"weights ls"``), or None."""
    context = click.get_current_context(silent=True)
    found: click.Command | None = context.find_root().command if context is not None else None
    for name in verb.split():
        found = found.get_command(context, name) if context is not None and isinstance(found, click.Group) else None
    return found


def _takes_value(verb: str, word: str) -> bool:
    """Whether ``word`` is an option of the verb whose value comes next."""
    known = _command(verb)
    return known is not None and any(word in param.opts and not param.is_flag for param in known.params if isinstance(param, click.Option))


def _typed(verb: str, words: Sequence[str]) -> str:
    """The options that were typed, and the dataset and system in use, that ``verb`` has and ``words`` do not say."""
    context, known = click.get_current_context(silent=True), _command(verb) if verb else None
    if context is None or known is None:
        return ""
    typed: dict[str, Any] = {
        name: value for name, value in context.params.items() if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    if context.obj is not None:
        typed |= {"dataset": context.obj.graph.config.dataset, "system": context.obj.graph.config.system}
    said = {word.partition("=")[0] for word in words}
    settings = {one.partition("=")[0].strip(): one for one in typed.get("settings", ())}  # typed twice, the last is meant
    typed["settings"] = [one for name, one in settings.items() if name not in said]
    wanted = [name for name in taken(known) - OF_THE_MOMENT if name == "settings" or not said & {*OPTIONS[name].flags}]
    return shell_words(typed, wanted)
