"""A thread runs ahead of the consumer, by so much and no more."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from stages.ingest.ahead import ahead


def test_order_and_elements_are_kept() -> None:
    assert list(ahead(range(50), 3)) == list(range(50))


def test_it_runs_no_further_ahead_than_told() -> None:
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for n in range(20):
            made.append(n)
            yield n

    reader = ahead(numbers(), 2)
    for n in reader:
        time.sleep(0.005)
        assert len(made) <= n + 1 + 2 + 1  # taken, waiting, and one in the hand of the thread


def test_an_error_comes_after_the_elements_before_it() -> None:
    def numbers() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    reader = ahead(numbers(), 2)
    assert next(reader) == 1
    with pytest.raises(OSError, match="gone"):
        next(reader)


def test_leaving_early_ends_the_thread() -> None:
    before = threading.active_count()
    reader = ahead(iter(range(10**9)), 2)
    assert next(reader) == 0
    reader.close()
    assert threading.active_count() == before
