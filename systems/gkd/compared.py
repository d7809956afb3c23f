"""What the report compares, in both halves: the networks of a seed by name, RGB and flow together, and the pairs of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from cache.errors import ConfigError
from models.evaluation.record import Sort
from models.evaluation.sorts import all_wrong, distilled_against

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
#: what an RGB network is fused with, the first that there is: itself for flow, or, of students, the one alone, as published
PARTNERS = ("{}.flow", "student.alone.flow")
#: how the name of a network ends whose scores are those of both streams
BOTH = " + flow"
#: half -> what the evaluation calls what a network of flow sees
STREAMS: Mapping[str, Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "recognition": {"flow": {"frames": ("flow",)}},
    "detection": {"flow": {"arrays": ("arrays.flow",)}},
}
#: what ``kdpipe predict --modality`` calls RGB and flow together
BOTH_STREAMS = "both"


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
        partner = next((other for other in (pattern.format(name) for pattern in PARTNERS) if other in networks), "")
        if network.modality == "rgb" and partner and (name != "teacher" or partner == "teacher.flow"):
            found[f"{name}{BOTH}"] = (name, partner)
    return found


def check_streams(rgb: Trained, flow: Trained) -> None:
    """Raise ConfigError for two networks that are not fused: what they see, or the classes that they know, do not go together."""
    seen = (rgb.modality, flow.modality)
    if seen != ("rgb", "flow"):
        raise ConfigError(
            f"networks of {seen[0]} and {seen[1]} are not fused", hint="--network student.kd --modality both fuses RGB and flow"
        )
    if not same_classes(rgb.about["classes"], flow.about["classes"]):
        raise ConfigError("the networks of RGB and of flow know other classes")


def same_classes(known: Sequence[Any], others: Sequence[Any]) -> bool:
    """Whether networks or data speak of the same classes; those of a published file are numbers, so only how many they are can be told."""
    unnamed = any(all(isinstance(one, int) for one in classes) for classes in (known, others))
    return len(known) == len(others) and (unnamed or tuple(known) == tuple(others))


def pairs() -> Iterator[tuple[str, str]]:
    """All that may be compared."""
    yield from PAIRS
    for ending in (".flow", BOTH):
        yield from ((f"{first}{ending}", f"{second}{ending}") for first, second in PAIRS)


def sorts(names: Iterable[str]) -> Iterator[Sort]:
    """The items that a reader is offered first: of RGB, of flow and of both streams what the teacher, and what distillation changes."""
    labels = {name: label(name) for name in names}
    for ending in ("", ".flow", BOTH):
        teacher = "teacher" if ending == BOTH and f"teacher{BOTH}" not in labels else f"teacher{ending}"
        yield from distilled_against(labels, teacher, f"student.kd{ending}", f"student.alone{ending}")
    yield all_wrong(labels)


def label(name: str) -> str:
    """What the report calls a network."""
    own = name.removesuffix(BOTH).removesuffix(".flow")
    return LABELS[own] + (", flow" if name.endswith(".flow") else ", RGB + flow" if name.endswith(BOTH) else "")


def taken_from_files(networks: Mapping[str, Trained]) -> Iterator[str]:
    """What a reader has to know of networks that were not trained here."""
    for name, network in networks.items():
        if taken := network.about.get("checkpoint"):
            yield f"{label(name)}: taken from {taken['file']} (sha256 {taken['sha256'][:12]}), not trained here"
