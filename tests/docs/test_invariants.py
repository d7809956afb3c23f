"""docs/INVARIANTS.md names tests that exist."""

import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (\d+) \| (.+) \| (.+) \|$")


def test_every_invariant_names_tests_that_exist() -> None:
    rows = [match for line in (PROJECT / "docs" / "INVARIANTS.md").read_text().splitlines() if (match := ROW.match(line))]
    assert [int(row[1]) for row in rows] == list(range(1, len(rows) + 1)) and len(rows) > 20
    for row in rows:
        named = re.findall(r"`(tests/[^`]*)`", row[3])
        assert named, f"invariant {row[1]} names no test"
        for name in named:
            path, _, function = name.partition("::")
            assert (PROJECT / path).exists(), name
            assert not function or f"def {function}(" in (PROJECT / path).read_text(), name
