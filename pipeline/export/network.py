"""Which trained network leaves, and what of the store tests it."""

from __future__ import annotations

import importlib

from cache.errors import ConfigError, KdpipeError
from cache.record import Record
from models.exported import Export, Exportable, Found
from pipeline import networks
from pipeline.judge import Judge
from pipeline.predict.seen import parent_of, shown

Leaving = networks.Chosen[Export]


def exports(system: str) -> tuple[Export, ...]:
    """What ``systems/<system>/export.py`` declares. Raises ConfigError for a system that has none."""
    found: tuple[Export, ...] = networks.declared(system, "export", "EXPORTS", f"networks of {system} cannot be exported")
    return found


def leaving(judge: Judge, text: str) -> Leaving:
    """The network that ``text`` means: a node or the beginning of one, a pin or a key; "" is the distilled student of the first seed.

    Raises ConfigError or KdpipeError for a text that means none or several, and for a network that was never made.
    """
    known = exports(judge.system)
    try:
        return networks.of_graph(judge, known, text, "is exported")
    except ConfigError:
        if not text or any(name.startswith(f"{text}.") for name in networks.of_stages(judge, known)):
            raise
        return networks.of_result(judge, known, text)


def loaded(judge: Judge, chosen: Leaving) -> Exportable:
    """The network with the rows that test it. Raises StoreError where these are gone, KdpipeError where its modality has none."""
    judge.store.check_object(chosen.record.object)
    inputs, items = {}, {}
    for alias in chosen.how.reads:
        record = _read(judge, chosen, alias)
        if record is None and (steps := networks.called(chosen.how, chosen.record, alias)):
            raise KdpipeError(f"{chosen.name} was not made from {steps[0]}, and there is none to test it with", hint="kdpipe run evaluate")
        if record is None:
            continue
        judge.store.check_object(record.object)
        inputs[alias] = judge.store.files(record)
        if record.items:
            items[alias] = judge.store.item_set(record.key.stage, record.items)
    params = {node.stage.name: node.params for node in reversed(judge.graph.nodes.values())}
    module, _, function = chosen.how.entry.partition(":")
    found = Found(judge.store.files(chosen.record), inputs, items, params)
    made: Exportable = getattr(importlib.import_module(module), function)(found)
    return made


def _read(judge: Judge, chosen: Leaving, alias: str) -> Record | None:
    """What the network saw as ``alias``; of one that was taken from a file, or did not, what the evaluation reads; None if neither does."""
    if alias in chosen.record.parents:
        return parent_of(judge, chosen.record, alias)
    if steps := networks.called(chosen.how, chosen.record, alias):
        return shown(judge, steps)
    readers = [node for node in judge.graph.nodes.values() if alias in node.reads]
    readers.sort(key=lambda node: node.stage.name != "evaluate")
    return judge.last(readers[0].reads[alias]) if readers else None
