"""Evaluations as a system writes them, with numbers chosen by hand, and the real stage over them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cache.ledger import Ledger
from cache.stage import Context, Quiet
from models.evaluation.costs import FLOPS_NOTE, PARAMETERS, flops_per
from models.evaluation.files import write_evaluation
from models.evaluation.record import Column, Cost, Evaluation, Items, Panel, Row, Score
from models.evaluation.times import Times, Timing
from stages.report import ReportParams
from stages.report.run import run
from tests.report import browsers
from tests.report.browsers import Browser

LABELS = {"teacher": "teacher", "student.alone": "student alone", "student.kd": "student distilled"}
SCORES = {"teacher": (0.60, 0.62, 0.64), "student.alone": (0.40, 0.50, 0.60), "student.kd": (0.421, 0.519, 0.620)}
COSTS = {"parameters": 1_234_567, "flops": 2_000_000, "flops_of_video": 1_500_000}
PANELS = (Panel("val_accuracy", "validation accuracy", "%"), Panel("train_term", "distillation", logarithmic=True))


def row(name: str, label: str, value: float, **more: Any) -> Row:
    """Scores in the main column and in two others."""
    return Row(name, label, {"all": Score(value), "what": Score(value), "who": Score(value / 2)}, strict=value * 0.9, **more)


def evaluation(seed: int, place: int, **changes: Any) -> Evaluation:
    """One seed of an experiment with three networks."""
    networks = tuple(row(name, LABELS[name], SCORES[name][place], costs=COSTS, about={"epoch": place}) for name in LABELS)
    facts = {
        "task": "video question answering",
        "metric": "accuracy",
        "dataset": "tiny",
        "split": "test",
        "seed": seed,
        "columns": (Column("all"), Column("what", items=6), Column("who", items=4)),
        "items": Items("question", total=10, scored=10, needs="video"),
        "networks": networks,
        "baselines": (row("majority", "majority answer", 0.2),),
        "pairs": (("student.kd", "student.alone"),),
        "costs": (PARAMETERS, flops_per("question"), Cost("flops_of_video", "of these video", per=1e6, digits=1)),
        "cost_note": f"{FLOPS_NOTE}; a question of 6 tokens",
        "panels": PANELS,
        "notes": ("a note",),
    }
    return Evaluation(**{**facts, **changes})


def curve(name: str, place: int, epochs: int) -> list[dict[str, Any]]:
    """Curves of one network: one has a term of its own."""
    kd = {"train_term": 0.5} if name == "student.kd" else {}
    return [
        {"model": name, "epoch": e, "val_accuracy": 0.3 + 0.05 * e + 0.01 * place, "train_ce": 2 - 0.2 * e, **kd} for e in range(epochs)
    ]


def context(out: Path, inputs: Mapping[str, Path]) -> Context:
    """A context of the report."""
    return Context(params=ReportParams(), out=out, scratch=out, ledger=Ledger(), progress=Quiet, inputs=inputs)


def report_of(
    folder: Path,
    evaluations: Iterable[Evaluation],
    *,
    curves: Sequence[Iterable[Mapping[str, Any]] | None] = (),
    timing: Timing | None = None,
) -> Path:
    """Run the real stage over evaluations (each with its curves, if there are any) in ``folder`` and return its artifact."""
    inputs = {}
    for place, one in enumerate(evaluations):
        inputs[f"evaluate.{place}"] = folder / f"evaluate.{place}"
        inputs[f"evaluate.{place}"].mkdir(parents=True)
        write_evaluation(inputs[f"evaluate.{place}"], one, curves=curves[place] if curves else None)
    if timing:
        inputs["timing"] = folder / "timing"
        inputs["timing"].mkdir()
        timing.write(inputs["timing"])
    out = folder / "report"
    out.mkdir(parents=True)
    run(context(out, inputs))
    return out


def read(out: Path) -> dict[str, Any]:
    """``report.json``."""
    return json.loads((out / "report.json").read_text(encoding="utf-8"))


def text(out: Path) -> str:
    """``report.txt``."""
    return (out / "report.txt").read_text(encoding="utf-8")


@pytest.fixture
def reported(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that runs the real stage over the given seeds and returns its artifact."""

    def make(seeds: Sequence[int] = (0, 1, 2), *, timing: bool = True, name: str = "made", **changes: Any) -> Path:
        times = Timing(dict.fromkeys(LABELS, Times(1.5, 0.25)), batch_size=32, repeats=5, threads=1, device="cpu")
        curves = [[record for model in LABELS for record in curve(model, place, 3 + place)] for place in range(len(seeds))]
        found = [evaluation(seed, place, **changes) for place, seed in enumerate(seeds)]
        return report_of(tmp_path / name, found, curves=curves, timing=times if timing else None)

    return make


@pytest.fixture(scope="session", params=sorted(browsers.PROGRAMS))
def browser(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser that all tests share, one after the other."""
    if missing := browsers.lacks(request.param):
        pytest.skip(f"{' and '.join(missing)} not installed (Debian: apt-get install chromium chromium-driver firefox-esr)")
    with browsers.started(request.param, tmp_path_factory.mktemp(request.param)) as found:
        yield found
