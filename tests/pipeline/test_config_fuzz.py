"""The whole configuration surface: every key of every dataset and system and every option, with hostile values, for every verb that looks.

Whatever is typed or stands in a file, a verb answers or says what is wrong: no traceback, no internal error, nothing heavy imported.
"""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import config, flat_yaml, judge, paths
from pipeline.cli import _command, _run
from pipeline.cli.options import OPTIONS
from pipeline.config import GENERAL, Config, names
from pipeline.graph import build
from tests.pipeline.records import parameters

GRAPHS = list(itertools.product(names("datasets"), names("systems")))
#: Verbs that look; NODE stands for a node of the graph.
VERBS = (
    "plan", "plan --make", "plan report --json", "status", "status --json", "status NODE", "why NODE", "why NODE --json", "show NODE",
    "show NODE --ledger", "ls", "ls --all --json", "report", "open NODE", "doctor", "run report --dry-run",
)  # fmt: skip
NODES = ("report", "teacher", "student.alone", "extract.motion", "index", "world", "sample", "ingest", "nothing", "")
HEAVY = ("torch", "numpy", "av", "pandas", "h5py", "PIL", "scipy", "matplotlib", "safetensors")
STRANGE = (
    "dataset",
    "system",
    "nonsense",
    "student",
    "fewerframes.student.k",
    "videoqa.",
    ".",
    "extract.",
    " seeds",
    "teacher..lr",
    "a" * 9999,
)
HOSTILE = (
    "", "~", "null", "true", "False", "no", "0", "-0", "-0.0", "1", "-1", "2", "3.0", "010", "0x10", "1:30", "1_000", "1e-4", "1e308",
    "1e-320",
    "1e999", ".nan", "-.inf", "nan", "inf", "9" * 30, "9" * 4300, "9" * 5000, "-" + "9" * 400, "18446744073709551616", "4294967296",
    "1000",
    "[]", "[1]", "[1, 1]", "[0]", "[-1, .nan]", "[[1]]", "[" * 5000, "[a, b]", "{a: 1}", "!!int 5", "!!python/name:os.system", "&a 1",
    "*a",
    "file", "world", "random", "mine", "resnet18", "small3d", "imagenet1k_v1", "linear", "online", "parallel", "steps", "hlstm", "moe",
    "l2",
    "folder", "yt8m", "files", "ignore", "/", "/nowhere/x.pth", "~nobody/x", "~", ".", "..", "../..", "/dev/null", "/proc/self/mem",
    "a b", "'",
    "'\\0'", '"\\0"', '"\\ud800"', '"\\u202e\\n\\e[31m"', "\x00", "\x1b[2J", "é", "漢字" * 40, "a" * 300, "a" * 100_000, "%s%n{}{0}",
    "$(x)", "#", "|",
)  # fmt: skip


@functools.cache
def keys(dataset: str, system: str) -> tuple[str, ...]:
    """Every key that the graph knows, and some that it does not."""
    asked = Config(dataset, system)
    build(asked)
    return tuple(sorted({*asked.keys, *GENERAL})) + STRANGE


@functools.cache
def possible() -> dict[str, list[str]]:
    """Name of a parameter -> values that it can have: its default, its choices, its bounds, so that a verb comes to do its work."""
    found: dict[str, list[str]] = {}
    for _, field, _ in parameters():
        allowed = field.metadata["range"]
        values = [field.default, *field.metadata["choices"], allowed.at_least, allowed.at_most]
        found.setdefault(field.name, []).extend(str(list(v) if isinstance(v, tuple) else v) for v in values if v is not None)
    return found | {"seeds": ["1", "2", "30"]}  # a graph of thousands of nodes is only slow


@functools.cache
def some_keys(dataset: str, system: str, at_least: int) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(keys(dataset, system)), min_size=at_least, max_size=2)


@functools.cache  # hypothesis examines a strategy when it first draws from it
def value(key: str) -> st.SearchStrategy[str]:
    """What has gone wrong elsewhere, something possible, or any number, list or text."""
    number = st.one_of(st.integers(), st.floats(), st.integers(-3, 20)).map(str)
    listed = st.lists(number | st.text(max_size=4), max_size=4).map(lambda items: f"[{', '.join(items)}]")
    good = st.sampled_from(possible().get(key.rpartition(".")[2]) or HOSTILE)
    return st.one_of(good, good, good, st.sampled_from(HOSTILE), st.sampled_from(HOSTILE), number, listed, st.text(max_size=30))


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[str], str]:
    """A command line, and the text of a local file."""
    dataset, system = draw(st.sampled_from(GRAPHS))
    typed = [(key, draw(value(key))) for key in draw(some_keys(dataset, system, 0))]
    typed += draw(st.sampled_from([[]] * 9 + [[("extract.weights", "file")]]))  # then its files are looked for
    lines = [(key, draw(value(key))) for key in draw(some_keys(dataset, system, 0 if typed else 1))]
    words = draw(st.sampled_from(VERBS)).replace("NODE", draw(st.sampled_from(NODES))).split()
    where = draw(st.sampled_from([["--dataset", dataset, "--system", system]] * 9 + [[]]))
    settings = [word for key, text in typed for word in ("--set", f"{key}={text}")]
    option = OPTIONS[draw(st.sampled_from(sorted(OPTIONS.keys() - {"verbose", "settings"})))]
    more = [option.flags[-1]] + ([] if option.told.get("is_flag") else [draw(st.sampled_from(HOSTILE)).replace("\0", "")])
    return [*words, *where, *settings, *draw(st.sampled_from([[], [], more]))], "".join(f"{key}: {text}\n" for key, text in lines)


def kdpipe(*words: str) -> tuple[int, str]:
    """Exit code and all that is printed, with the error handling of the command line."""
    told = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        patch.setattr(sys, "argv", ["kdpipe", *words])
        for name in HEAVY:
            patch.setitem(sys.modules, name, None)
        try:
            return _run(_command), told.getvalue()
        except SystemExit as leaving:
            return int(leaving.code or 0), told.getvalue()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A store without results, a data root without files."""
    room = tmp_path_factory.mktemp("desk")
    (room / "data").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("KDPIPE_")]:
            patch.delenv(name)
        for name, text in (("KDPIPE_STORE", "store"), ("DATA_ROOT", "data")):
            patch.setenv(name, str(room / text))
        patch.setattr(paths, "local_config", lambda: room / "kdpipe.local.yaml")
        read = functools.cache(config.read_lines)  # what is shipped is the same every time, and so is its code
        patch.setattr(judge, "Fingerprint", functools.cache(judge.Fingerprint))
        patch.setattr(config, "read_lines", lambda path: (flat_yaml.read_lines if path == paths.local_config() else read)(path))
        for graph in GRAPHS:  # before the first local file
            keys(*graph)
        yield room


@pytest.mark.long
@settings(max_examples=5000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(case=cases())
def test_whatever_is_configured_a_verb_answers_or_says_what_is_wrong(desk: Path, case: Any) -> None:
    words, lines = case
    (desk / "kdpipe.local.yaml").write_bytes(lines.encode("utf-8", "surrogatepass"))
    code, told = kdpipe(*words)
    assert code in (0, 1, 2), told
    assert "Traceback" not in told and "internal error" not in told
    assert code == 0 or (told and len(told) < 6000), told[:200]
