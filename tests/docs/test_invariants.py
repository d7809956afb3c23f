"""docs/INVARIANTS.md and docs/FIELD.md name tests that exist."""

import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (\d+) \| (.+) \| (.+) \|$")


def test_every_invariant_names_tests_that_exist() -> None:
    rows = [match for line in (PROJECT / "docs" / "INVARIANTS.md").read_text().splitlines() if (match := ROW.match(line))]
    assert [int(row[1]) for row in rows] == list(range(1, len(rows) + 1)) and len(rows) > 20
    for row in rows:
        all_exist(row[3], f"invariant {row[1]}")


def test_whatever_was_brought_names_tests_that_exist() -> None:
    lines = (PROJECT / "docs" / "FIELD.md").read_text().splitlines()
    rows = [line for line in lines if line.startswith("| ") and not line.startswith(("| brought", "| ---"))]
    assert len(rows) > 40
    for row in rows:
        all_exist(row.rstrip("| ").rpartition(" | ")[2], row)


def all_exist(tests: str, what: str) -> None:
    named = re.findall(r"`(tests/[^`]*)`", tests)
    assert named, f"{what} names no test"
    for name in named:
        path, _, function = name.partition("::")
        assert (PROJECT / path).exists(), name
        assert not function or f"def {function.partition('[')[0]}(" in (PROJECT / path).read_text(), name
