"""Which items an evaluation keeps, and which of them a reader is offered first."""

from __future__ import annotations

from models.evaluation.kept import kept
from models.evaluation.sorts import all_wrong, distilled_against


def test_predictions_are_kept_of_all_items_and_of_very_many_of_evenly_chosen_ones() -> None:
    assert list(kept(7, most=7)) == list(range(7)) and list(kept(8, most=7)) == [0, 2, 4, 6] and list(kept(0)) == []
    assert all(len(kept(items)) <= 50_000 for items in (50_000, 50_001, 100_000, 1_133_323))


def test_sorts_of_networks_that_are_not_there_are_not_offered() -> None:
    labels = {"teacher": "teacher", "kd": "distilled", "alone": "alone"}
    found = distilled_against(labels, "teacher", "kd", "alone")
    assert [(one.title, one.right, one.wrong) for one in found] == [
        ("teacher right, distilled wrong", ("teacher",), ("kd",)),
        ("distilled right, alone wrong", ("kd",), ("alone",)),
        ("alone right, distilled wrong", ("alone",), ("kd",)),
    ]
    assert [one.title for one in distilled_against(labels, "flow teacher", "kd", "alone")] == [one.title for one in found[1:]]
    assert distilled_against(labels, "teacher", "kd", "none")[1:] == () and all_wrong(labels).wrong == tuple(labels)
