"""Rows are flushed soon, and flushing has its share of the time."""

from __future__ import annotations

from pathlib import Path

import pytest

from cache import paced
from cache.items import ItemSet
from cache.paced import Paced


def test_rows_are_flushed_as_often_as_their_share_of_the_time_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(paced.time, "monotonic", lambda: now[0])
    items = ItemSet(tmp_path)
    real, flushed = items.flush, []

    def flush() -> None:
        now[0] += 1.0  # a second each, so the next is due after 20
        flushed.append(len(items._pending_keys))
        real()

    monkeypatch.setattr(items, "flush", flush)
    with Paced(items) as rows:
        for number in range(30):
            now[0] += 4.0
            rows.append(f"{number:064x}", b"row", {})
    assert flushed == [1, 5, 5, 5, 5, 5, 4]


def test_an_interrupt_loses_no_finished_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paced, "SHARE", 1e-12)  # after the first flush never again
    with pytest.raises(KeyboardInterrupt), Paced(ItemSet(tmp_path)) as rows:
        for number in range(3):
            rows.append(f"{number:064x}", b"row", {"number": number})
        raise KeyboardInterrupt
    there = ItemSet(tmp_path)
    assert [there.peek(f"{number:064x}") is not None for number in range(3)] == [True, True, True]
