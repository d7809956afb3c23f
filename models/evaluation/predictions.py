"""What networks said of items as one table, of several evaluations together: for pandas, R or a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import IO, Any

from models.evaluation.files import Prediction, read_evaluation, read_predictions

#: The columns of every table; what else is known of an item (``about``) has columns of its own after them.
COLUMNS = ("evaluation", "seed", "fold", "split", "network", "item", "kind", "answer", "prediction", "right", "top", "parts", "found")
#: So many rows are written at a time to a file by columns.
LOT = 20_000


def keeps(directory: Path) -> bool:
    """Whether an evaluation keeps predictions by item."""
    return (directory / "predictions.jsonl").is_file()


def write_csv(file: IO[bytes], evaluations: Mapping[str, Path]) -> int:
    """Write the table of evaluations (node -> directory) as csv in UTF-8; returns the number of rows.

    Answers that are no text, the best answers with their probabilities (``top``), and parts in time (``parts``, ``found``) are JSON. An
    empty ``prediction`` is none.
    """
    text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="", write_through=False)
    columns, count = _columns(evaluations), 0
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in _rows(evaluations):
        writer.writerow([row.get(column) for column in columns])
        count += 1
    text.flush()
    text.detach()  # the file stays open: it belongs to the caller
    return count


def write_parquet(file: IO[bytes], evaluations: Mapping[str, Path]) -> int:
    """Write the table as Parquet: ``seed`` is an integer, ``right`` a truth value, the rest text as in :func:`write_csv`."""
    import pyarrow
    import pyarrow.parquet

    types = {"seed": pyarrow.int64(), "right": pyarrow.bool_()}
    schema = pyarrow.schema([(column, types.get(column, pyarrow.string())) for column in _columns(evaluations)])
    rows, count = _rows(evaluations), 0
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        while lot := list(islice(rows, LOT)):
            whole = [{name: _encodable(value) for name, value in row.items()} for row in lot]
            writer.write_table(pyarrow.Table.from_pylist(whole, schema))
            count += len(lot)
    return count


def _columns(evaluations: Mapping[str, Path]) -> list[str]:
    others = dict.fromkeys(name for directory in evaluations.values() for one in read_predictions(directory) for name in one.about)
    return [*COLUMNS, *map(_about, others)]


def _rows(evaluations: Mapping[str, Path]) -> Iterator[dict[str, Any]]:
    for node, directory in evaluations.items():
        whole = read_evaluation(directory)
        same = {"evaluation": node, "seed": whole.seed, "fold": whole.fold, "split": whole.split}
        yield from ({**same, **_row(one)} for one in read_predictions(directory))


def _row(one: Prediction) -> dict[str, Any]:
    return {
        "network": one.model,
        "item": one.item,
        "kind": one.kind,
        "answer": _text(one.answer),
        "prediction": None if one.prediction is None else _text(one.prediction),
        "right": one.is_right,
        **{name: _text(value) if (value := getattr(one, name)) else None for name in ("top", "parts", "found")},
        **{_about(name): _text(value) for name, value in one.about.items()},
    }


def _about(name: str) -> str:
    """What a column of ``about`` is called: nothing hides a column of every table."""
    return f"about.{name}" if name in COLUMNS else name


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _encodable(value: Any) -> Any:
    """Text without halves of characters, which no UTF-8 can hold."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
