"""``python -m module`` without its start: a fork of a process that has loaded the libraries already, and what every command loads.

To import torch and its company takes some three seconds of a core, and most tests of commands need it. Here every process of a
test run pays for it once. The command is a process like any other: it has its own environment, working directory and process group,
and can be killed. What it shares with its siblings is the seed of Python's hashes (so what must not depend on that is compared with a
process that was started in the ordinary way), that the libraries are loaded (so what must not load them is started in the ordinary way
too), the pipeline and the declarations of all stages, if it stands here and reads no other copy of the project (what does a stage's work
it imports anew), the methods that were compiled for dataclasses, and what one of them has parsed for a fingerprint: a new store need not
have all code parsed again, which takes a second.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import functools
import gc
import importlib
import json
import multiprocessing.process
import os
import pkgutil
import runpy
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import traceback
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import CodeType
from typing import IO, Any

#: What every command loads.
LIGHT = (
    "click", "yaml", "csv", "dataclasses", "datetime", "difflib", "importlib.metadata", "ipaddress", "platform", "secrets", "shlex",
    "shutil", "statistics", "tempfile", "urllib.parse", "uuid",
)  # fmt: skip
#: What commands that work load sooner or later.
LIBRARIES = (
    *LIGHT, "tqdm", "numpy", "scipy.stats", "h5py", "pandas", "pyarrow.parquet", "av", "PIL.Image", "torch", "torch._dynamo",
    "torch.nn.parallel", "safetensors.torch", "nltk", "matplotlib.figure", "matplotlib.backends.backend_agg", "multiprocessing.spawn",
    "onnxscript", "onnxruntime",
)  # fmt: skip

#: Objects that are made between two collections of garbage, and rounds of those: imports, and networks that are traced, make many.
SELDOM = (10_000, 50, 20)

#: Verbs that load nothing heavy.
LIGHT_VERBS = ("fill", "fsck", "ls", "one", "plan", "run", "show", "status", "why")

#: Where the project lies whose pipeline is loaded already.
PROJECT = Path(__file__).resolve().parents[1]
#: What the project's modules read when they are loaded, or what is to see them read.
WHEN_LOADED = ("KDPIPE_FAULT", "KDPIPE_FAULT_LOG", "KDPIPE_AUDIT")

#: Python reads these when it starts, so a fork comes too late for them.
AT_START = (
    "PYTHONHASHSEED", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONWARNINGS", "PYTHONDEVMODE", "OMP_NUM_THREADS", "LD_PRELOAD", "LANG",
    "LC_ALL", "TZ",
)  # fmt: skip


#: A program that has the server at a socket run its words, and ends as they do; where it is killed, the server kills them. Some signals
#: it passes on.
CLIENT = """
import json, os, signal, socket, struct, sys
door, *words = sys.argv[1:]
words = words[words[:1] == ["-u"]:]
if words[:1] != ["-m"]:
    os.execv({python!r}, [{python!r}, *words])
told, end = os.pipe()
job = {{"command": words[1:], "cwd": os.getcwd(), "env": dict(os.environ), "session": True, "executable": {place!r}}}
job = json.dumps(job).encode()
with socket.socket(socket.AF_UNIX) as server:
    server.connect(door)
    socket.send_fds(server, [struct.pack("i", len(job))], [1, 2, end])
    server.sendall(job)
    os.close(end)
    (pid,) = struct.unpack("i", os.read(told, 4))
    for number in {passed!r}:
        signal.signal(number, lambda number, frame: os.kill(pid, number))
    answer = os.read(told, 4)
code = struct.unpack("i", answer)[0] if answer else 1
if code < 0:
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


class Process:
    """A command that runs. ``stdout`` and ``stderr`` are its ends of pipes, if it has some; ``returncode`` as in ``subprocess``."""

    def __init__(self, status: int, stdout: IO[str] | None = None, stderr: IO[str] | None = None) -> None:
        self._status, self.stdout, self.stderr = status, stdout, stderr
        self.returncode: int | None = None
        told = os.read(status, 4)
        assert told, "the process that forks has ended: what did it say?"
        (self.pid,) = struct.unpack("i", told)

    def poll(self) -> int | None:
        """The exit status, or None while the command runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end, at most ``timeout`` seconds. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            (self.returncode,) = struct.unpack("i", os.read(self._status, 4))
            os.close(self._status)
        return self.returncode

    def close(self) -> None:
        """Close our ends of the pipes."""
        for pipe in filter(None, (self.stdout, self.stderr)):
            pipe.close()

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def start(module: str, *words: str, cwd: Path, env: Mapping[str, str], session: bool = False) -> Process:
    """Start ``python -m module words`` with pipes; ``session``: as the leader of a process group."""
    out, out_end = os.pipe()
    err, err_end = os.pipe()
    status = _ask([module, *words], cwd, env, out_end, err_end, session=session)
    os.close(out_end)
    os.close(err_end)
    return Process(status, os.fdopen(out), os.fdopen(err))


def run(
    module: str, *words: str, cwd: Path, env: Mapping[str, str], light: bool = False, timeout: float = 900.0
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m module words`` to its end, and return what it said. Raises subprocess.TimeoutExpired.

    ``light``: it loads nothing heavy, and is a fork of a process that did not either.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = Process(_ask([module, *words], cwd, env, out.fileno(), err.fileno(), light=light))
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess([module, *words], code, out.read(), err.read())


def interpreter(place: Path, *, light: bool = False, passed: Sequence[int] = ()) -> Path:
    """Write the program ``place``, which runs ``place -m module words`` as :func:`run` does, for whoever starts Python by its path.

    Its words have no input and a process group of their own; killed, it takes them along. What is no ``-m``, or ``-u -m``, an ordinary
    Python gets. It is the ``sys.executable`` of what it runs. ``passed``: signals that go to the process alone, and not to its client.
    """
    client = place.with_name(f".{place.name}-client.py")
    client.write_text(CLIENT.format(python=sys.executable, place=str(place), passed=[*map(int, passed)]))
    place.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {client} {_door("light" if light else "heavy")} "$@"\n')
    place.chmod(0o755)
    return place


def torchrun(place: Path, *words: str, cwd: Path, env: Mapping[str, str]) -> Process:
    """Start torchrun with pipes; what it starts are forks too. ``place``: a directory for what its interpreter needs."""
    if "OMP_NUM_THREADS" in env:  # else torchrun gives one to its processes, which Python would have had to read when it started
        env = {**env, "PYTHON_EXEC": str(interpreter(Path(tempfile.mkdtemp(dir=place), "python"), passed=[signal.SIGTERM]))}
    return start("torch.distributed.run", *words, cwd=cwd, env=env)


def _ask(
    command: Sequence[str], cwd: Path, env: Mapping[str, str], out: int, err: int, *, light: bool = False, session: bool = False
) -> int:
    """Have the server fork; return the pipe on which it tells pid and exit status."""
    _check(env)
    status, end = os.pipe()
    job = json.dumps({"command": list(command), "cwd": str(cwd), "env": dict(env), "session": session}).encode()
    server = _server("light" if light else "heavy")
    socket.send_fds(server, [struct.pack("i", len(job))], [out, err, end])
    server.sendall(job)
    os.close(end)
    return status


def _check(env: Mapping[str, str]) -> None:
    differs = [name for name in AT_START if env.get(name) != os.environ.get(name)]
    assert not differs, f"{differs} count when Python starts: use subprocess"


@functools.cache
def _server(kind: str) -> socket.socket:
    ours, theirs = socket.socketpair()
    files = theirs.fileno(), _listen(kind).fileno()
    subprocess.Popen([sys.executable, __file__, *map(str, files), kind], pass_fds=files, stdin=subprocess.DEVNULL)
    theirs.close()
    atexit.register(ours.close)
    return ours


@functools.cache
def _listen(kind: str) -> socket.socket:
    """The socket at which other programs reach the server."""
    door = socket.socket(socket.AF_UNIX)
    door.bind(f"{tempfile.mkdtemp(prefix='warm-')}/{kind}")
    door.listen(50)
    atexit.register(door.close)
    return door


def _door(kind: str) -> str:
    _server(kind)
    return _listen(kind).getsockname()


def _serve(ask: socket.socket, door: socket.socket, *, light: bool) -> tuple[dict[str, Any], list[int]] | None:
    """Fork for every job, and tell how each ended; in a fork: return its job and files, in the server in the end None.

    A job whose end nobody waits for any more is killed.
    """
    for name in LIGHT if light else LIBRARIES:
        importlib.import_module(name)
    dataclasses.exec = _exec_once  # type: ignore[attr-defined] - it shadows the built-in one there
    _load_pipeline(LIGHT_VERBS if light else None)
    if light:
        _forget()
    for finalizer in list(weakref.finalize._registry):  # type: ignore[attr-defined]
        finalizer.atexit = False  # what the libraries would clean up is not the forks'
    gc.collect()
    gc.freeze()
    gc.set_threshold(*SELDOM)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, tuple[int, bool]] = {}
    look = select.poll()
    for fd in (ask.fileno(), door.fileno(), woken):
        look.register(fd, select.POLLIN)
    while True:
        ready = {fd for fd, _ in look.poll()}
        if woken in ready:
            os.read(woken, 100)
            for pid in list(running):
                ended, code = os.waitpid(pid, os.WNOHANG)
                if ended:
                    end, _ = running.pop(pid)
                    with contextlib.suppress(BrokenPipeError):
                        os.write(end, struct.pack("i", os.waitstatus_to_exitcode(code)))
                    look.unregister(end)
                    os.close(end)
        for pid, (end, session) in running.items():
            if end in ready:
                _end(pid, session)
        for asked in (ask, door):
            if asked.fileno() not in ready:
                continue
            found = _take(ask) if asked is ask else _take(door.accept()[0], last=True)
            if found is None:
                if asked is ask:
                    return None
                continue
            job, (out, err, end) = found
            pid = os.fork()
            if not pid:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for fd in (woken, wake, end, *(end for end, _ in running.values())):
                    os.close(fd)
                ask.close()
                door.close()
                return job, [out, err]
            with contextlib.suppress(BrokenPipeError):
                os.write(end, struct.pack("i", pid))
            running[pid] = end, job["session"]
            look.register(end, 0)  # an error is told: nobody reads there
            os.close(out)
            os.close(err)


def _take(asking: socket.socket, *, last: bool = False) -> tuple[dict[str, Any], list[int]] | None:
    """A job and its files, None if whoever asks is gone; ``last``: there is one job only."""
    size, files, _, _ = socket.recv_fds(asking, 4, 3)
    wanted = struct.unpack("i", size)[0] if len(size) == 4 else 0
    text = asking.recv(wanted, socket.MSG_WAITALL) if wanted else b""
    if last:
        asking.close()
    if wanted and len(text) == wanted:
        return json.loads(text), files
    for fd in files:
        os.close(fd)
    return None


def _end(pid: int, session: bool) -> None:
    """Kill a fork that was not waited for yet; with its process group, if it has come to lead one."""
    with contextlib.suppress(ProcessLookupError):
        leads = session and os.getpgid(pid) == pid
        (os.killpg if leads else os.kill)(pid, signal.SIGKILL)


def _become(job: dict[str, Any], files: list[int], parsed: Path | None) -> None:
    """Make of a fork the process that was asked for; ``parsed`` is where its siblings note what they have parsed."""
    if job["session"]:
        os.setsid()
    for number, fd in enumerate(files, 1):
        os.dup2(fd, number)
    for fd in files:
        os.close(fd)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)
    _check(job["env"])
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["env"])
    multiprocessing.process.ORIGINAL_DIR = job["cwd"]  # type: ignore[attr-defined] - where workers start
    here = [] if job["env"].get("PYTHONSAFEPATH") else [job["cwd"]]
    sys.path[:0] = first = [*here, *filter(None, job["env"].get("PYTHONPATH", "").split(os.pathsep))]
    if any(Path(place) != PROJECT for place in first) or any(name in job["env"] for name in WHEN_LOADED):
        _forget()
    sys.dont_write_bytecode = bool(job["env"].get("PYTHONDONTWRITEBYTECODE"))
    sys.executable = job.get("executable", sys.executable)
    sys.argv = ["-m", *job["command"][1:]]
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    if "PYTHONPATH" in job["env"]:  # as Python does when it starts
        with contextlib.suppress(ImportError):
            importlib.import_module("sitecustomize")
    if parsed is not None and job["command"][0] == "pipeline":
        _share_parsed(parsed)


def _load_pipeline(verbs: Sequence[str] | None) -> None:
    """Load the project's pipeline and the declarations of its stages and systems, as commands that stand there do, or what verbs load."""
    sys.path.insert(0, str(PROJECT))
    whole = pkgutil.walk_packages(importlib.import_module("pipeline").__path__, "pipeline.")
    for name in [module.name for module in whole] if verbs is None else [f"pipeline.cli.{verb}" for verb in verbs]:
        if not name.endswith(".__main__"):
            importlib.import_module(name)
    importlib.import_module("pipeline.declared").declared("stages", "systems")
    sys.path.pop(0)


@functools.cache
def _compiled(text: str) -> CodeType:
    return compile(text, "<string>", "exec")


def _exec_once(text: str, known: dict[str, Any], names: dict[str, Any]) -> None:
    """What ``dataclasses`` asks for: methods that it was asked for before are compiled already. It is half the time of an import."""
    exec(_compiled(text), known, names)


def _forget() -> None:
    """Have the project's modules loaded anew, from wherever the path leads."""
    packages = sys.modules["cache.syntax"].PACKAGES if "cache.syntax" in sys.modules else ()
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]
    importlib.invalidate_caches()


def _share_parsed(place: Path) -> None:
    """In a store that knows no module yet, let a fingerprint know those noted at ``place``, by their texts; note what it parses."""
    known = importlib.import_module("cache.fingerprint").Fingerprint
    load, save = known._load, known.save

    def load_some(self: Any, memo: Path) -> None:
        load(self, memo)
        if not self._by_text:
            load(self, place)
            self._dirty = bool(self._by_text)  # the store keeps them

    def save_both(self: Any) -> None:
        grew = self._dirty
        save(self)
        if grew and self.memo is not None and self.memo.exists():
            shutil.copyfile(self.memo, making := place.with_suffix(f".{os.getpid()}"))
            making.replace(place)

    known._load, known.save = load_some, save_both


def main() -> None:
    """Be the server; each fork of it comes back from :func:`_serve`, does its work and ends as Python does."""
    sys.path.pop(0)
    ask, door = (socket.socket(fileno=int(number)) for number in sys.argv[1:3])
    place, light = Path(door.getsockname()).parent, sys.argv[3] == "light"
    found = _serve(ask, door, light=light)
    if found is None:
        shutil.rmtree(place)
        return
    code: Any = 0
    try:
        _become(*found, None if light else place / "parsed.json")
        runpy._run_module_as_main(found[0]["command"][0])  # type: ignore[attr-defined]
    except SystemExit as leaving:
        code = leaving.code
        if isinstance(code, str):
            print(code, file=sys.stderr)  # noqa: T201
    except BaseException:  # noqa: BLE001 - as Python does
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    main()
