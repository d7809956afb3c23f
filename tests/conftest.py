"""How a run of all tests is shared among worker processes (pytest-xdist).

Tests that share a costly fixture stay together, so that it is made once; all others go to whichever worker is free, the long ones first.
"""

from __future__ import annotations

import os

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # a worker has one core: before a library of linear algebra is loaded
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of a module that share a fixture, and let modules that take long come first."""
    for item in items:
        if isinstance(item, pytest.Function) and _shares_a_fixture(item):
            item.add_marker(pytest.mark.xdist_group(item.module.__name__))
    slow = {item.nodeid.partition("::")[0] for item in items if item.get_closest_marker("long")}
    items.sort(key=lambda item: item.nodeid.partition("::")[0] not in slow)


def _shares_a_fixture(item: pytest.Function) -> bool:
    found = (definition for definitions in item._fixtureinfo.name2fixturedefs.values() for definition in definitions)
    return any(definition.scope != "function" and definition.baseid.startswith("tests/") for definition in found)
