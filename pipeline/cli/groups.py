"""How ``kdpipe --help`` groups its verbs: by what people want to do. A verb that stands nowhere here comes last."""

from __future__ import annotations

from collections.abc import Mapping

#: Heading -> verbs, in the order in which people meet them. Stages are verbs by their declarations and have a heading of their own.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "Run": ("run", "plan", "distill", "fill"),
    "Look": ("status", "report", "compare", "show", "open", "why", "ls", "params"),
    "Use what was trained": ("predict", "export"),
    "Care": ("doctor", "fsck", "gc", "accept", "pin", "unpin"),
    "Bring and take": (
        "world", "weights", "import-features", "export-features", "export-derived", "compare-features", "make-records", "push", "pull",
    ),
}  # fmt: skip
STAGES = "Run one stage again, alone"
REST = "More"


def grouped(verbs: Mapping[str, str], stages: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Heading -> verb -> what it says of itself; headings without a verb are left out."""
    found = {title: {name: verbs[name] for name in names if name in verbs} for title, names in GROUPS.items()}
    named = {name for names in GROUPS.values() for name in names}
    found |= {STAGES: dict(stages), REST: {name: text for name, text in verbs.items() if name not in named}}
    return {title: rows for title, rows in found.items() if rows}
