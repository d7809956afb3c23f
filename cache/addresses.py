"""Where things lie in a store, as paths relative to its root, for stores that are not at hand as a directory of this machine.

What these functions are given may come from somebody else's store, so it is checked here: a digest that is none, or a name that could
lead out of the store, is refused with ValueError.
"""

from __future__ import annotations

import re

from cache.names import escape

_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")
_SHARD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}\.items")


def digest(text: object) -> str:
    """``text`` if it is 64 hex digits."""
    if not isinstance(text, str) or not _DIGEST.fullmatch(text):
        raise ValueError(f"{_short(text)} is no digest")
    return text


def name(text: object) -> str:
    """``text`` if it is a plain name of a file: no separator, no leading dot."""
    if not isinstance(text, str) or not _NAME.fullmatch(text):
        raise ValueError(f"{_short(text)} is no plain name")
    return text


def is_shard(text: str) -> bool:
    """Whether ``text`` is the name of a shard of an item set."""
    return _SHARD.fullmatch(text) is not None


def record(key: str) -> str:
    """The action record ``key``."""
    return f"actions/{digest(key)[:2]}/{key}.json"


def members(key: str) -> str:
    """The list of members beside a record."""
    return f"actions/{digest(key)[:2]}/{key}.members"


def object_directory(oid: str) -> str:
    """The directory of an object."""
    return f"objects/{digest(oid)[:2]}/{oid}"


def items(stage: str, item_key: str) -> str:
    """The directory of an item set."""
    return f"items/{name(stage)}/{digest(item_key)[:32]}"


def ref(dataset: str, system: str, node: str) -> str:
    """The file of a ref."""
    return f"refs/{escape(dataset)}/{escape(system)}/{escape(node)}"


def imports(dataset: str) -> str:
    """The file that says which features of a dataset were imported."""
    return f"imports/{escape(dataset)}.json"


def weights(stem: str) -> str:
    """The file of imported weights."""
    return f"weights/{name(stem)}.safetensors"


def _short(text: object) -> str:
    shown = repr(text)
    return shown if len(shown) <= 80 else shown[:77] + "..."
