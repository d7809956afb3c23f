"""The parts of ``store_scale.py`` that run inside a process with the store's own code."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from cache import fs, publication
from cache.digest import Manifest
from cache.hdf5 import FeatureWriter
from cache.items import ItemSet
from cache.members import Members
from cache.store import Store
from pipeline import paths, runner
from pipeline.config import Config
from pipeline.graph import build
from pipeline.judge import Judge
from pipeline.runner import Options, run_node
from stages.extract.row import chunk_of, pack_row


def fill(raw: str, items: int, artifacts: int) -> dict[str, Any]:
    """Raw files, their index and sample by the real stages (over rows put there by hand: nothing is decoded), and more results.

    Returns what the first, cold index took. Only here, nothing is synced: the disk is not what is measured.
    """
    root = Path(raw)
    past = time.time() - 1000
    for n in range(items):
        folder = root / f"{n // 1000:03d}"
        folder.mkdir(exist_ok=True)
        path = folder / f"video{n:06d}.mp4"
        path.write_bytes(b"tiny %d" % n)
        os.utime(path, (past, past))
    time.sleep(3)  # so that no file is too young to be remembered
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "pipeline", "run", "index"], check=True, stdout=subprocess.DEVNULL)
    cold = time.perf_counter() - started
    os.fsync = lambda descriptor: None
    store = Store(paths.store_root())
    judge = _judge("folder", root, store)
    _fill_rows(judge)
    subprocess.run([sys.executable, "-m", "pipeline", "run", "sample"], check=True, stdout=subprocess.DEVNULL)
    _fill_results(_judge("folder", root, store), artifacts)
    return {"cold index": round(cold, 3)}


def _judge(dataset: str, root: Path | None, store: Store, *settings: str) -> Judge:
    return Judge(store, build(Config(dataset, "videoqa", settings, root=root)), device="cpu", read_files=True)


def _fill_rows(judge: Judge) -> None:
    """Rows of sampled frames for every file of the index, as the sample stage would append them."""
    node = judge.graph.nodes["sample"]
    rows = judge.store.item_set("sample", judge.item_key(node, judge.key(node)), writable=True)
    index = judge.store.files(judge.inputs(node)["index"]) / "media.jsonl"
    meta = {"state": "ok", "reason": "", "count": 90, "width": 320, "height": 240, "rate": 25.0}
    for n, line in enumerate(index.read_text().splitlines()):
        rows.append(json.loads(line)["digest"], n.to_bytes(8, "little") * 250, meta)
    rows.flush()


def _fill_results(judge: Judge, count: int) -> None:
    """Results of 25 stages on many datasets, each made from up to three others; a quarter are old ones that no ref names."""
    store, model = judge.store, judge.state("sample").record
    assert model is not None
    recent: list[str] = []
    for n in range(count):
        temporary = store.new_directory()
        (temporary / "files" / "metrics.json").write_text(json.dumps({"n": n, "values": list(range(200))}))
        (temporary / "files" / "model.bin").write_bytes(n.to_bytes(8, "little") * 500)
        manifest = Manifest.of_tree(temporary / "files")
        key = replace(model.key, stage="student", params={**model.key.params, "seed": n}, inputs={"index": manifest.digest})
        parents = {f"input{i}": parent for i, parent in enumerate(recent[-3:])} if n % 25 else {}
        node, dataset = f"student.kd.s{n % 25}", f"dataset{n // 25 % 30}"
        made = replace(model, key=key, object=manifest.digest, items="", node=node, dataset=dataset, parents=parents, size=manifest.size)
        members = Members({str(i): ("", f"{i:064x}") for i in range(100)})
        made = replace(made, created=time.time() - 100_000 * n, ledger={"ok": 100})
        record = publication.publish(store, temporary, lambda _, made=made: made, members)
        store.set_ref(dataset, "videoqa", node, record.digest)
        recent.append(record.digest)


def floor(raw: str) -> dict[str, float]:
    """Seconds to list and stat the raw files with nothing around it: no verb that looks at every file can be faster."""
    times = []
    for _ in range(5):
        started = time.perf_counter()
        for folder, _, names in os.walk(raw):
            for name in names:
                os.stat(f"{folder}/{name}")  # noqa: PTH116 - the bare call is what is measured
        times.append(time.perf_counter() - started)
    return {"seconds": round(median(times), 3), "best": round(min(times), 3)}


def rows(directory: str, count: int, size: int) -> dict[str, Any]:
    """Append rows with a flush every 16 or every second, as the sample stage does; open the set; read rows back."""
    path = Path(directory)
    block = os.urandom(size)
    keys = [hashlib.sha256(b"%d" % n).hexdigest() for n in range(count)]
    items = ItemSet(path)
    started = saved = time.perf_counter()
    for n, key in enumerate(keys):
        items.append(key, block, {"state": "ok", "reason": "", "count": n})
        if n % 16 == 15 or time.perf_counter() - saved > 1:
            items.flush()
            saved = time.perf_counter()
    items.flush()
    appended = time.perf_counter() - started
    opened = _median(lambda: ItemSet(path, writable=False), 5)
    items = ItemSet(path, writable=False)
    chosen = [keys[i] for i in np.random.default_rng(0).permutation(count)[: max(100, min(count, 2_000_000_000 // size) // 4)]]
    started = time.perf_counter()
    for key in chosen:
        assert items.get(key) is not None
    read = time.perf_counter() - started
    shutil.rmtree(path)
    return {
        "rows": count,
        "append_ms_per_row": round(1e3 * appended / count, 3),
        "append_mb_per_s": round(count * size / 1e6 / appended),
        "one fsync of 16 rows, ms": round(_fsync_ms(path.parent / "probe", size * 16), 2),
        "open_s": round(opened, 3),
        "read_ms_per_row": round(1e3 * read / len(chosen), 3),
        "read_mb_per_s": round(len(chosen) * size / 1e6 / read),
        "rss_mb": _rss(),
    }


def _fsync_ms(path: Path, size: int) -> float:
    """What a bare write and fsync of that many bytes takes on this disk."""
    block = os.urandom(size)
    times = []
    with path.open("wb") as file:
        for _ in range(50):
            started = time.perf_counter()
            file.write(block)
            file.flush()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - started)
    path.unlink()
    return 1e3 * median(times)


def assemble(directory: str, name: str, count: int, shape: list[int], repeat: int) -> dict[str, Any]:
    """Feature rows to HDF5, by turns with ``cp`` of the file; both end with an fsync of the file.

    Once with what is read in the page cache (rows that were computed a moment ago), once without (rows of a large dataset do not fit).
    """
    work = Path(directory)
    work.mkdir(exist_ok=True)
    ids = [f"{n}" for n in range(count)]
    keys = {id: hashlib.sha256(f"{name}{id}".encode()).hexdigest() for id in ids}
    rng = np.random.default_rng(0)
    items = ItemSet(work / "rows")
    for n, id in enumerate(ids):
        items.append(keys[id], pack_row(rng.standard_normal(shape, np.float32)), {"state": "ok"})
        if n % 32 == 31:
            items.flush()
    items.flush()
    file, copy = work / "features.h5", work / "copy.h5"
    found: dict[str, Any] = {"rows": count}
    for cache in ("warm", "cold"):
        sampler = _Memory()
        ours, theirs = [], []
        for _ in range(repeat):
            file.unlink(missing_ok=True)
            if cache == "cold":
                _forget(*(work / "rows").iterdir())
            with sampler:
                ours.append(_seconds(lambda: _assembled(ItemSet(work / "rows", writable=False), file, name, ids, keys, shape)))
            copy.unlink(missing_ok=True)
            if cache == "cold":
                _forget(file)
            theirs.append(_seconds(lambda: _copied(file, copy)))
        size = file.stat().st_size
        found["file_mb"] = round(size / 1e6)
        found[cache] = {
            "assemble_s": round(median(ours), 3),
            "assemble_mb_per_s": round(size / 1e6 / median(ours)),
            "cp_s": round(median(theirs), 3),
            "cp_mb_per_s": round(size / 1e6 / median(theirs)),
            "share_of_cp": round(median(theirs) / median(ours), 3),
            "share_run_by_run": [round(b / a, 2) for a, b in zip(ours, theirs, strict=True)],
            "rss_mb": round(sampler.peak_mb),
        }
    shutil.rmtree(work)
    return found


def _forget(*files: Path) -> None:
    """Take files out of the page cache (they are on disk)."""
    for file in files:
        fs.fsync_file(file)
        descriptor = os.open(file, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def _assembled(items: ItemSet, file: Path, name: str, ids: list[str], keys: dict[str, str], shape: list[int]) -> None:
    """The loop of ``stages.extract.run.assemble``, without torch."""
    members = Members()
    with FeatureWriter(file, name, ids, shape) as out:
        for id, item in zip(ids, items.read(keys[id] for id in ids), strict=True):
            out.append_chunk(chunk_of(item.payload, tuple(shape)))
            members.add(id, item.key, item.digest)
    fs.fsync_file(file)


def _copied(file: Path, copy: Path) -> None:
    subprocess.run(["cp", "--reflink=never", str(file), str(copy)], check=True)
    fs.fsync_file(copy)


def publish(size: str) -> dict[str, Any]:
    """Share of the real extract stage's seconds that its publishing takes (digests, fsync, rename, record, ref), on a drawn world."""
    settings = (f"world.size={size}", "extract.appearance.backbone=small2d", "extract.motion.backbone=small3d")
    store = Store(paths.store_root())
    judge = _judge("world", None, store, *settings)
    spent = {"publish": 0.0}
    runner.publish, store.set_ref = _clocked(runner.publish, spent), _clocked(store.set_ref, spent)
    found: dict[str, Any] = {}
    for name in ("world", "index", "sample", "extract.appearance", "extract.motion"):
        spent["publish"] = 0.0
        record, _ = run_node(judge, name, Options(workers=len(os.sched_getaffinity(0))))
        found[name] = {
            "seconds": record.seconds,
            "publish_s": round(spent["publish"], 3),
            "mb": round(record.size / 1e6, 1),
            "share": round(spent["publish"] / max(record.seconds, 1e-9), 4),
        }
    return found


def _clocked(function: Callable[..., Any], spent: dict[str, float]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*arguments)
        finally:
            spent["publish"] += time.perf_counter() - started

    return call


class _Memory:
    """The largest resident memory of this process while the block runs (``ru_maxrss`` would count the preparation too)."""

    peak_mb = 0.0

    def __enter__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.peak_mb = max(self.peak_mb, pages * os.sysconf("SC_PAGE_SIZE") / 1e6)


def _rss() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _median(run: Callable[[], object], repeat: int) -> float:
    return median(_seconds(run) for _ in range(repeat))
