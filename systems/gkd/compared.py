"""What the report compares, in both halves: the networks of a seed by name, RGB and flow together, and the pairs of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

LABELS = {
    "teacher": "teacher",
    "student.alone": "student alone",
    "student.kd": "student, distilled",
    "student.generative": "student, generative distillation only",
    "student.attention": "student, attention distillation only",
}
#: what the report compares, seed by seed; each of RGB and of both streams where there are two
PAIRS = (
    ("student.kd", "student.alone"),
    ("student.generative", "student.alone"),
    ("student.attention", "student.alone"),
    ("student.kd", "student.generative"),
    ("student.kd", "student.attention"),
    ("teacher", "student.alone"),
)
#: how the name of a network ends whose scores are those of both streams
BOTH = " + flow"


class Trained(Protocol):
    """A network that was read."""

    @property
    def modality(self) -> str: ...

    @property
    def about(self) -> Mapping[str, Any]: ...


def named(inputs: Mapping[str, Any]) -> list[str]:
    """Those inputs that are networks, in the order of the report."""
    order = tuple(LABELS)
    return sorted(
        (name for name in inputs if name.removesuffix(".flow") in order),
        key=lambda n: (n.endswith(".flow"), order.index(n.removesuffix(".flow"))),
    )


def both(networks: Mapping[str, Trained]) -> dict[str, tuple[str, str]]:
    """RGB networks with what they are fused with: the same that sees flow, or the one alone, as published."""
    found = {}
    for name, network in networks.items():
        partner = next((other for other in (f"{name}.flow", "student.alone.flow") if other in networks), "")
        if network.modality == "rgb" and partner and (name != "teacher" or partner == "teacher.flow"):
            found[f"{name}{BOTH}"] = (name, partner)
    return found


def pairs() -> Iterator[tuple[str, str]]:
    """All that may be compared."""
    yield from PAIRS
    for ending in (".flow", BOTH):
        yield from ((f"{first}{ending}", f"{second}{ending}") for first, second in PAIRS)


def label(name: str) -> str:
    """What the report calls a network."""
    own = name.removesuffix(BOTH).removesuffix(".flow")
    return LABELS[own] + (", flow" if name.endswith(".flow") else ", RGB + flow" if name.endswith(BOTH) else "")


def taken_from_files(networks: Mapping[str, Trained]) -> Iterator[str]:
    """What a reader has to know of networks that were not trained here."""
    for name, network in networks.items():
        if taken := network.about.get("checkpoint"):
            yield f"{label(name)}: taken from {taken['file']} (sha256 {taken['sha256'][:12]}), not trained here"
