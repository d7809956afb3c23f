"""Keys and action records: what a result depends on, and what is known of it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from typing import Any

from cache.digest import digest_value

#: What the raw files are called among the inputs that rows stand for.
SOURCES = "sources"


@dataclass(frozen=True)
class Key:
    """Everything that can change the bytes of a result. Its digest names the action."""

    stage: str
    version: int
    entry: str
    params: dict[str, Any]
    code: dict[str, str]
    inputs: dict[str, str]
    sources: str = ""
    files: dict[str, str] = field(default_factory=dict)
    facets: dict[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Name of the action record."""
        return digest_value(asdict(self))

    def item_key(self, rows_of: Collection[str]) -> str:
        """Name of the item set whose rows stand for the inputs ``rows_of`` (:attr:`cache.stage.Stage.items`).

        It is the key without these, which differ from dataset to dataset; all other inputs, and the raw files, are in it.
        """
        shared = asdict(self)
        inputs, sources = shared.pop("inputs"), shared.pop("sources")
        others = {name: digest for name, digest in inputs.items() if name not in rows_of}
        if others:
            shared["inputs"] = others
        if sources and SOURCES not in rows_of:
            shared["sources"] = sources
        return digest_value(shared)


@dataclass(frozen=True)
class Record:
    """What is known of a finished action. Everything outside ``key``, ``object`` and ``items`` is for people.

    ``accepted``: for a result that was made under another key and accepted for this one: ``because``, ``from`` (that key), ``when``.
    ``members``: sha256 of the list of what each item is (:mod:`cache.members`), or empty.
    """

    key: Key
    object: str
    items: str = ""
    node: str = ""
    dataset: str = ""
    system: str = ""
    parents: dict[str, str] = field(default_factory=dict)
    definitions: dict[str, dict[str, str]] = field(default_factory=dict)
    ledger: dict[str, int] = field(default_factory=dict)
    members: str = ""
    size: int = 0
    seconds: float = 0.0
    created: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)
    stale_inputs: tuple[str, ...] = ()
    accepted: dict[str, str] = field(default_factory=dict)
    format: int = 2

    @property
    def digest(self) -> str:
        """Name of the record: the digest of its key."""
        return self.key.digest

    def with_members(self, data: bytes) -> Record:
        """The same record, naming ``data`` as its list of members."""
        return dataclasses.replace(self, members=hashlib.sha256(data).hexdigest())

    def dump(self) -> bytes:
        """The record as it stands on disk, with its checksum."""
        fields = json.loads(json.dumps(asdict(self)))
        return _sealed(fields)

    @classmethod
    def load(cls, data: bytes, key: str) -> Record:
        """Parse :meth:`dump`, also of older formats and with fields that are unknown here.

        Raises ValueError if one bit was changed, or if it is not the record of ``key``.
        """
        try:
            fields = json.loads(data)["record"]
            whole = data == _sealed(fields)
            known = {name: value for name, value in fields.items() if name in _FIELDS}
            record = cls(**{**known, "key": Key(**fields["key"]), "stale_inputs": tuple(fields["stale_inputs"])})
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError("it cannot be read") from error
        if not whole:
            raise ValueError("it does not match its checksum")
        if record.digest != key:
            raise ValueError("it belongs to another key")
        return record


_FIELDS = {f.name for f in dataclasses.fields(Record)}


def _sealed(fields: dict[str, Any]) -> bytes:
    return json.dumps({"record": fields, "sha256": digest_value(fields)}, indent=1, sort_keys=True).encode() + b"\n"
