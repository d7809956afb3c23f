"""The code of a tree after an edit, without parsing again what was not edited."""

from __future__ import annotations

from collections.abc import Iterable

from cache.fingerprint import Fingerprint


def after_edit(known: Fingerprint, modules: Iterable[str]) -> Fingerprint:
    """A fingerprint of the tree of ``known`` that knows what that one knows of all but ``modules``, the ones that were edited."""
    edited, found = set(modules), Fingerprint(known.root)
    found._by_text = known._by_text
    found._modules = {name: module for name, module in known._modules.items() if name not in edited}
    found._contexts = {(name, context): module for (name, context), module in known._contexts.items() if name not in edited}
    return found
