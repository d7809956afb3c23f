"""Every switch is a parameter that a user can set, of all values that its table names, and some stage asks for it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

import systems.gkd
from systems.gkd.detection import params as detection
from systems.gkd.recognition import params as recognition
from systems.gkd.switches import DETECTION, RECOGNITION, Switch

TABLES = {"recognition": (RECOGNITION, recognition), "detection": (DETECTION, detection)}
HOME = Path(systems.gkd.__file__).parent


def asked(folder: str) -> set[str]:
    """Strings in the code of a half, but for its parameters; with ``DETECTION``, all of that table that are parameters of a training."""
    found: set[str] = set()
    for path in (HOME / folder).glob("*.py"):
        if path.name != "params.py":
            found |= {
                node.value
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            }
    return found


def options(module: ModuleType) -> dict[str, tuple[str, ...]]:
    """Choices of the parameters of a half."""
    classes = [value for value in vars(module).values() if isinstance(value, type) and hasattr(value, "__dataclass_fields__")]
    return {field.name: tuple(field.metadata.get("choices") or ()) for each in classes for field in fields(each)}


@pytest.mark.parametrize("half", TABLES)
def test_every_switch_can_be_set_and_is_asked_for(half: str) -> None:
    table: Mapping[str, Switch]
    table, module = TABLES[half]
    settable = options(module)
    for name, switch in table.items():
        assert {"", switch.fixed, switch.released} <= set(settable.get(name, ())), name
        assert len(settable[name]) == 3, f"{name} has no other value than {switch.fixed}"
    assert set(table) <= asked(half)
