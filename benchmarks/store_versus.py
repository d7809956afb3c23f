"""kdpipe's store beside DVC and joblib.Memory, on the same toy work in one run. Figures and their reading: docs/SCALE.md.

    python3 -m venv /somewhere/venv-dvc && /somewhere/venv-dvc/bin/pip install dvc joblib
    python benchmarks/store_versus.py --dvc /somewhere/venv-dvc/bin/dvc [--quick]

Every file of a folder goes through one trivial function, which takes a constant from a helper module and notes each call.
Three questions: what does it cost to see that nothing changed; what is computed when ten files come; who notices that the constant was
edited. Every run is a process of its own, from start to end; rounds go round all tools; seconds are medians. joblib is that of DVC's
environment. Without ``--dvc`` only kdpipe is measured. Works in a temporary directory and removes it; needs pytest for the toy stages.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from tests.pipeline.conftest import TOY  # noqa: E402 - the path comes first

HELPER = """
FACTOR = 1

def work(text):
    return text.upper() * FACTOR
"""

NOTE = """
def note(name):
    with open({log!r}, "a") as log:
        log.write(name + "\\n")
"""

#: The toy item stage, flushing as the real sample stage does.
STAGE = """
import json
from stages.sample import helper, note

def run(ctx):
    rows = json.loads((ctx.inputs["index"] / "index.json").read_text())
    for n, (name, digest) in enumerate(sorted(rows.items())):
        if digest not in ctx.items:
            note.note(name)
            ctx.items.append(digest, helper.work((ctx.root / name).read_text()).encode(), {"state": "ok"})
        if n % 16 == 15:
            ctx.items.flush()
    ctx.items.flush()
    results = {}
    for name, digest in rows.items():
        item = ctx.items.get(digest)
        ctx.members.add(name, digest, item.digest)
        ctx.ledger.add(name, "ok")
        results[name] = item.payload.decode()
    (ctx.out / "rows.json").write_text(json.dumps(results, sort_keys=True))
"""

DVC_WORK = """
import json, pathlib
import helper, note

def run(path):
    note.note(path.name)
    return helper.work(path.read_text())

json.dump({p.name: run(p) for p in sorted(pathlib.Path("raw").iterdir())}, open("rows.json", "w"), sort_keys=True)
"""

DVC_YAML = "stages:\n  work:\n    cmd: {python} work.py\n    deps: [work.py, raw]\n    outs: [rows.json]\n"

JOBLIB_WORK = """
import json, pathlib
from joblib import Memory
import helper, note

memory = Memory("memory", verbose=0)

@memory.cache
def run(name, text):
    note.note(name)
    return helper.work(text)

json.dump({p.name: run(p.name, p.read_text()) for p in sorted(pathlib.Path("raw").iterdir())}, open("rows.json", "w"), sort_keys=True)
"""


@dataclass
class Tool:
    """One way to have the work done: ``commands`` by what they are called, the last of them brings everything up to date."""

    name: str
    root: Path
    commands: dict[str, list[str]]
    helper: Path
    raw: Path
    environment: dict[str, str]
    seconds: dict[str, list[float]] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """Where every call of the function is noted."""
        return self.root / "calls.log"

    def run(self, command: str, what: str) -> int:
        """Run a command, keep its seconds under ``what``; returns how often the function was called."""
        before = len(self.log.read_text().splitlines()) if self.log.exists() else 0
        started = time.perf_counter()
        done = subprocess.run(self.commands[command], cwd=self.root, env=self.environment, capture_output=True, text=True)
        self.seconds.setdefault(what, []).append(time.perf_counter() - started)
        if done.returncode:
            raise SystemExit(f"{' '.join(self.commands[command])} failed:\n{done.stdout}{done.stderr}")
        return (len(self.log.read_text().splitlines()) if self.log.exists() else 0) - before


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dvc", type=Path, default=None, help="the dvc command of an environment that has joblib too")
    parser.add_argument("--quick", action="store_true", help="100 files instead of 10,000")
    parser.add_argument("--files", type=int, default=0)
    options = parser.parse_args()
    files = options.files or (100 if options.quick else 10_000)
    work = Path(tempfile.mkdtemp(prefix="kdpipe-versus-"))
    try:
        tools = [kdpipe(work / "kdpipe")]
        if options.dvc is None or not options.dvc.exists():
            print("DVC and joblib are skipped: --dvc names no command")
        else:
            tools += [dvc(work / "dvc", options.dvc.absolute()), joblib(work / "joblib", options.dvc.absolute().with_name("python"))]
            print(versions(options.dvc))
        measure(tools, files)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def measure(tools: list[Tool], files: int) -> None:
    """All rounds, and the table."""
    rows = [("", "command", "seconds", "calls", "")]
    for tool in tools:
        add_files(tool, 0, files)
    time.sleep(3)  # no file is too young to be remembered
    for tool in tools:
        calls = tool.run(last(tool), "cold")
        rows.append((f"first run, {files} files", f"{tool.name} {last(tool)}", seconds(tool, "cold"), str(calls), ""))
    counted: dict[tuple[str, str], int] = {}
    for _ in range(3):
        for tool in tools:
            for command in tool.commands:
                counted[tool.name, command] = tool.run(command, f"nothing {command}")
    for tool in tools:
        for command in tool.commands:
            took, calls = seconds(tool, f"nothing {command}"), counted[tool.name, command]
            rows.append(("nothing changed", f"{tool.name} {command}", took, str(calls), ""))
    for n in range(3):
        for tool in tools:
            add_files(tool, files + 10 * n, 10)
        time.sleep(3)
        for tool in tools:
            counted[tool.name, "add"] = tool.run(last(tool), "add")
    for tool in tools:
        rows.append(("10 files more", f"{tool.name} {last(tool)}", seconds(tool, "add"), str(counted[tool.name, "add"]), ""))
    for factor in (2, 3, 4):
        for tool in tools:
            tool.helper.write_text(HELPER.replace("FACTOR = 1", f"FACTOR = {factor}"))
            counted[tool.name, "edit"] = tool.run(last(tool), "edit")
    for tool in tools:
        calls = counted[tool.name, "edit"]
        noticed = "noticed" if calls else "NOT noticed: the old results stay"
        rows.append(("a constant in a helper edited", f"{tool.name} {last(tool)}", seconds(tool, "edit"), str(calls), noticed))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    for row in rows:
        print(
            "  ".join(cell.rjust(w) if i in (2, 3) else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))).rstrip()
        )


def add_files(tool: Tool, first: int, count: int) -> None:
    """More input files, all different."""
    tool.raw.mkdir(parents=True, exist_ok=True)
    for n in range(first, first + count):
        (tool.raw / f"video{n:06d}.txt").write_text(f"video number {n}")


def last(tool: Tool) -> str:
    """The command that brings everything up to date."""
    return list(tool.commands)[-1]


def seconds(tool: Tool, what: str) -> str:
    """The median of what was measured."""
    return f"{median(tool.seconds[what]):.2f}"


def kdpipe(root: Path) -> Tool:
    """The real pipeline and cache over the toy stages of the tests."""
    for package in ("cache", "pipeline"):
        shutil.copytree(PROJECT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    note = NOTE.format(log=str(root / "calls.log"))
    ours = {"stages/sample/run.py": STAGE, "stages/sample/helper.py": HELPER, "stages/sample/note.py": note}
    for name, text in {**TOY, **ours}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    environment = {**plain(), "DATA_ROOT": str(root / "raw"), "KDPIPE_DATASET": "files", "KDPIPE_DEVICE": "cpu"}
    command = [sys.executable, "-m", "pipeline"]
    commands = {"status": [*command, "status"], "run": [*command, "run", "sample"]}
    return Tool("kdpipe", root, commands, root / "stages" / "sample" / "helper.py", root / "raw", environment)


def dvc(root: Path, command: Path) -> Tool:
    """A stage over the folder, with the script that is its entry as a dependency (DVC sees no imports)."""
    root.mkdir()
    _scripts(root, DVC_WORK)
    (root / "dvc.yaml").write_text(DVC_YAML.format(python=command.with_name("python")))
    places = {"DVC_SITE_CACHE_DIR": str(root / ".site"), "DVC_GLOBAL_CONFIG_DIR": str(root / ".global"), "DVC_NO_ANALYTICS": "1"}
    environment = {**plain(), **places}
    subprocess.run([str(command), "init", "-q", "--no-scm"], cwd=root, env=environment, check=True)
    subprocess.run([str(command), "config", "core.analytics", "false"], cwd=root, env=environment, check=True)
    commands = {"status": [str(command), "status"], "repro": [str(command), "repro", "-q"]}
    return Tool("dvc", root, commands, root / "helper.py", root / "raw", environment)


def joblib(root: Path, python: Path) -> Tool:
    """A loop over cached calls; the text of a file is an argument, so that a changed file counts."""
    root.mkdir()
    _scripts(root, JOBLIB_WORK)
    return Tool("joblib", root, {"loop": [str(python), "work.py"]}, root / "helper.py", root / "raw", plain())


def _scripts(root: Path, work: str) -> None:
    (root / "work.py").write_text(work)
    (root / "helper.py").write_text(HELPER)
    (root / "note.py").write_text(NOTE.format(log=str(root / "calls.log")))


def plain() -> dict[str, str]:
    """The environment without what would reach into a tool."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("KDPIPE_", "PYTHON", "DVC_")) and k != "DATA_ROOT"}


def versions(command: Path) -> str:
    """What is compared."""
    told = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    code = "import joblib, sys; print(joblib.__version__, sys.version.split()[0])"
    other = subprocess.run([command.with_name("python"), "-c", code], capture_output=True, text=True, check=True).stdout.split()
    return f"dvc {told}, joblib {other[0]} (python {other[1]}); kdpipe on python {platform.python_version()}; {os.cpu_count()} cores"


if __name__ == "__main__":
    main()
