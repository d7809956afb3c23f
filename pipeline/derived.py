"""What the stage ``derive`` kept, opened: its rows, the frames that they were made from, the labels of their videos."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.errors import KdpipeError, StoreError
from cache.items import ItemSet
from cache.record import Record
from cache.store import Store
from media.codings.derived import Derived
from media.codings.quantise import ZERO
from media.codings.table import decode
from media.frames import Frames, decode_payload

Image = npt.NDArray[np.uint8]
#: codings that are RGB pictures already
DRAWN = ("wheel", "jet", "black", "overlay")


@dataclass(frozen=True)
class Derivation:
    """A result of ``derive``: what ``derived.json`` says, and the lines of ``frames.jsonl``, one a video."""

    store: Store
    record: Record
    about: dict[str, Any]
    rows: list[dict[str, Any]]

    @property
    def kind(self) -> str:
        """``"flow"``, ``"depth"`` or ``"skeleton"``."""
        return str(self.about["kind"])

    @property
    def coding(self) -> str:
        """How its products are kept."""
        return str(self.about["coding"])

    @cached_property
    def options(self) -> dict[str, Any]:
        """The options of the coding, by name."""
        return dict(self.about.get("options", {}))

    @cached_property
    def _items(self) -> ItemSet:
        return self.store.item_set(self.record.key.stage, self.record.items)

    @cached_property
    def _sampled(self) -> ItemSet:
        record = self.parent("sample")
        return self.store.item_set(record.key.stage, record.items)

    @cached_property
    def _digests(self) -> dict[str, str]:
        """id -> digest of its sampled frames."""
        return {row["id"]: row["frames"] for row in lines(self.store.files(self.parent("sample")) / "frames.jsonl")}

    def parent(self, stage: str) -> Record:
        """The result of ``stage`` that this one was made from. Raises KdpipeError if it is not in the store any more."""
        for key in self.record.parents.values():
            record = self.store.record(key)
            if record is not None and record.key.stage == stage:
                return record
        raise KdpipeError(
            f"the result of {stage} that {self.record.node} was made from is no longer in the store", hint=f"kdpipe run {self.record.node}"
        )

    def payload(self, row: dict[str, Any]) -> bytes:
        """The payload of a video. Raises StoreError if it is not what was recorded."""
        return self._read(row["source"], row["frames"])

    @cached_property
    def _read(self) -> Callable[[str, str], bytes]:
        """Reads a row; the last one is remembered, since one video after the other is looked at from several sides."""
        return lru_cache(1)(lambda key, digest: _checked(self._items, key, digest, self.record.node))

    def opened(self, row: dict[str, Any]) -> Derived:
        """What was derived of a video."""
        return decode(self.kind, self.coding, self.options, self.payload(row))

    def frames(self, row: dict[str, Any]) -> Frames:
        """The frames that were sampled of a video. ``source`` is no digest of them where poses were looked up by the id."""
        return decode_payload(_checked(self._sampled, row["media"], self._digests[row["id"]], "sample"))

    def pictures(self, row: dict[str, Any]) -> Callable[[int], Image]:
        """Frame number -> the picture of what was derived: as it is kept, or drawn from the numbers by wheel, jet or black."""
        product: Callable[[int], Any] = self.opened(row).product
        if self.coding in DRAWN:
            return product
        if self.coding == "xy":
            product = self._still(row, product)
        return lambda number: drawn(self.kind, product(number), (row["height"], row["width"]))

    def _still(self, row: dict[str, Any], product: Callable[[int], Any]) -> Callable[[int], Any]:
        """``product``, but zero in fields of which every code says "no motion": read back these are a bound / 255, which a wheel that is
        scaled by the longest vector would paint in full colour."""
        codes, zero = decode_payload(self.payload(row)).images, ZERO[self.options["rule"]]
        return lambda number: product(number) * bool((codes(number) != zero).any())


def drawn(kind: str, product: Any, size: tuple[int, int]) -> Image:
    """The picture of a product of frames of ``size`` (height, width): RGB uint8."""
    if kind == "flow":
        from media.codings.flow_wheel import colours

        picture: Image = colours(product)
        return picture
    if kind == "depth":
        from media.codings.depth_colour import colourise

        coloured: Image = colourise(product)
        return coloured
    from media.codings.skeleton_picture import draw

    skeleton: Image = draw(product.keypoints, *size)
    return skeleton


def derivation(store: Store, record: Record) -> Derivation:
    """Open a result of ``derive``, its files compared with what was published. Raises KdpipeError if it is none."""
    if "derived.json" not in {entry.path for entry in store.manifest(record.object).files}:
        raise KdpipeError(f"{record.node} holds nothing derived", hint="the nodes derive.* do")
    store.check_object(record.object)
    directory = store.files(record)
    about = json.loads((directory / "derived.json").read_text(encoding="utf-8"))
    return Derivation(store, record, about, lines(directory / "frames.jsonl"))


def lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _checked(items: ItemSet, key: str, digest: str, node: str) -> bytes:
    item = items.get(key)
    if item is None or item.digest != digest:
        raise StoreError(
            f"the row {key[:12]} of {node} is not what was recorded",
            hint=f"kdpipe fsck --repair names and puts aside what lost it; kdpipe run {node} then makes just these",
        )
    return bytes(item.payload)
