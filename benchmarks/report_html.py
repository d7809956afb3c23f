"""How long the page of a large evaluation takes to write, how large it is, and how much memory that needs.

    python benchmarks/report_html.py [--items 50000] [--seeds 3] [--of questions|labels|parts] [--out DIR]

Draws what four networks say of so many questions in each seed (or of videos with three labels each, or of videos with two true segments
and ten found ones), runs the real stage of the report over it, and writes the page in a
process of its own, whose time and memory are measured. If Chromium and chromedriver are installed, it also says after how long
something is to be seen, and after how long the first examples are.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from models.evaluation.files import Prediction, write_evaluation
from models.evaluation.record import Column, Evaluation, Items, Row, Score, Sort
from stages.report.html.finished import Finished, Made

NETWORKS = ("teacher", "student.alone", "student.kd", "student.question")
WORDS = [f"answer{n}" for n in range(1000)]
KINDS = ("questions", "labels", "parts")
QUESTION = ["what", "is", "the", "person", "in", "the", "red", "shirt", "doing", "near", "the", "two", "moving", "cars"]


def predictions(seed: int, items: int, of: str) -> Iterator[Prediction]:
    """Every network right in about a third of all items, with five best answers or ten segments."""
    drawn = random.Random(seed)
    truths = [WORDS[int(1000 * random.Random(n).random() ** 3)] for n in range(items)]
    for name in NETWORKS:
        for item in range(items):
            said = truths[item] if drawn.random() < 0.35 else drawn.choice(WORDS)
            top = [(said, round(drawn.uniform(0.3, 0.6), 4)), *((drawn.choice(WORDS), round(drawn.uniform(0, 0.1), 4)) for _ in range(4))]
            if of == "labels":
                yield Prediction(
                    name, f"v{item}", [truths[item], *WORDS[item % 900 : item % 900 + 2]], said, right=said == truths[item], top=top
                )
                continue
            if of == "parts":
                found = [(said, round(drawn.uniform(0, 50), 2), 60.0, 0.1 * (10 - n), n < 2 and said == truths[item]) for n in range(10)]
                parts = [(truths[item], 3.0, 9.5), (truths[item], 30.0, 31.25)]
                yield Prediction(name, f"v{item}", [truths[item]], "1 of 2", {"seconds": 60.0}, right=found[0][4], parts=parts, found=found)
                continue
            kind = ("what", "who", "how", "when", "where")[item % 5]
            yield Prediction(name, str(item), truths[item], said, {"video_id": item // 20, "question": QUESTION}, kind=kind, top=top)


def evaluation(seed: int, items: int) -> Evaluation:
    """The scores that go with it."""
    networks = tuple(Row(name, name, {"all": Score(0.35 + 0.001 * seed + 0.01 * place)}) for place, name in enumerate(NETWORKS))
    return Evaluation(
        task="video question answering",
        metric="accuracy",
        dataset="drawn",
        split="test",
        seed=seed,
        columns=(Column("all"),),
        items=Items("question", items, items),
        networks=networks,
        pairs=(("student.kd", "student.alone"),),
        sorts=(Sort("teacher right, student wrong", ("teacher",), ("student.kd",)), Sort("all wrong", wrong=NETWORKS)),
    )


def finished(folder: Path, items: int, seeds: int, of: str) -> Finished:
    """The report over all seeds, and what is known of it."""
    from cache.ledger import Ledger
    from cache.stage import Context, Quiet
    from stages.report import ReportParams
    from stages.report.run import run

    made: dict[str, Made] = {}
    for place in range(seeds + 1):
        name = "report" if place == seeds else f"evaluate.s{place}"
        files = folder / name
        made[name] = Made(name, name.split(".")[0], f"{place:064d}", "0" * 64, files, "2026-11-28 12:00", 1.0)
        if files.is_dir():
            continue
        files.mkdir(parents=True)
        if place < seeds:
            write_evaluation(files, evaluation(place, items), predictions=predictions(place, items, of))
        else:
            inputs = {node: one.files for node, one in made.items() if node != "report"}
            run(Context(params=ReportParams(), out=files, scratch=files, ledger=Ledger(), progress=Quiet, inputs=inputs))
    made["report"] = replace(made["report"], reads={node: node for node in made if node != "report"})
    return Finished("drawn", made)


def look(index: Path, folder: Path) -> None:
    """Say when Chromium shows something, and when the first examples."""
    from tests.report import browsers

    if missing := browsers.lacks("chromium"):
        print(f"not looked at: {', '.join(missing)} not installed")
        return
    with browsers.started("chromium", folder) as browser:
        paints = []
        for _ in range(3):
            browser.open(index.as_uri())
            paints.append(browser.until("return performance.getEntriesByName('first-contentful-paint')[0]?.startTime"))
        start = time.perf_counter()
        browser.run("document.getElementById('examples').scrollIntoView()")
        browser.until("return document.querySelectorAll('article').length", seconds=60)
        shown = time.perf_counter() - start
        click = "const t = performance.now(); [...document.querySelectorAll('.sorts button')].pop().click(); return performance.now() - t"
        filtered = browser.run(click)
        heap = browser.run("return performance.memory?.usedJSHeapSize / 1e6")
    print(f"first paint {sorted(paints)[1]:.0f} ms (median of 3); examples {shown:.2f} s after they come near; a click on a sort", end=" ")
    print(f"{filtered:.0f} ms; heap of the page {heap:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--of", choices=KINDS, default=KINDS[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--write", nargs=2, type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        from stages.report.html.write import write

        start = time.perf_counter()
        write(given.write[1], finished(given.write[0], given.items, given.seeds, given.of))
        print(json.dumps([time.perf_counter() - start, time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3]))
        return
    with tempfile.TemporaryDirectory() as folder:
        work, page = Path(folder), given.out or Path(folder) / "page"
        finished(work / "store", given.items, given.seeds, given.of)
        words = [sys.executable, __file__, "--items", str(given.items), "--seeds", str(given.seeds), "--of", given.of]
        words += ["--write", str(work / "store"), str(page)]
        seconds, busy, memory = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        files = [path.stat().st_size for path in page.rglob("*") if path.is_file()]
        print(f"{given.items:,} {given.of}, {given.seeds} seeds, {len(NETWORKS)} networks:", end=" ")
        print(f"{seconds:.1f} s ({busy:.1f} s of a processor), {memory:.0f} MB at most")
        print(f"{len(files)} files, {sum(files) / 1e6:.1f} MB; index.html {(page / 'index.html').stat().st_size / 1e3:.0f} kB")
        look(page / "index.html", work)


if __name__ == "__main__":
    main()
