"""docs/BACKBONES.md is what the registry says."""

from __future__ import annotations

import pytest

from models.backbones.registry import BACKBONES
from models.backbones.table import PAGE, cost, markdown, page
from models.weights import WEIGHTS


def test_the_page_is_up_to_date() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "run: python -m models.backbones.table --write"


def test_every_network_and_every_file_stands_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in (*BACKBONES, *WEIGHTS):
        assert f"| `{name}` |" in text


@pytest.mark.parametrize(
    ("name", "millions", "giga"),
    [("resnet101", 44.55, 7.8), ("resnext101", 48.34, 9.57), ("resnet18_3d", 33.24, 8.30), ("r3d50", 47.64, 10.1)],
)
def test_costs_are_the_published_ones(name: str, millions: float, giga: float) -> None:
    parameters, macs = cost(BACKBONES[name])
    assert parameters / 1e6 == pytest.approx(millions, abs=0.01)
    assert macs / 1e9 == pytest.approx(giga, abs=0.06)


def test_a_page_without_a_place_for_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="networks"):
        page("nothing here")
    assert markdown([("a", "b"), ("1", "2")]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
