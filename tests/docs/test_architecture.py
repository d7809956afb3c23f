"""docs/ARCHITECTURE.md is a map of the code as it is: every module, every folder, and none that is gone."""

import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]
LAYERS = ("cache", "formats", "media", "models", "pipeline", "stages", "systems", "world")
PAGE = (PROJECT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
MAP = PAGE[: PAGE.index("## How a stage runs")]
#: Names in backquotes: of modules, of folders, and of modules with their ending.
NAME = re.compile(r"`(?:\w+/)*(\w+)(?:/|\.py)?`")
MODULES = [path.relative_to(PROJECT) for layer in LAYERS for path in sorted((PROJECT / layer).rglob("*.py"))]


def names_for(module: Path) -> set[str]:
    """The names of the map and, for a module of a system, of the system's page."""
    page = PROJECT / "docs" / "systems" / f"{module.parts[1]}.md"
    return set(NAME.findall(MAP + (page.read_text(encoding="utf-8") if module.parts[0] == "systems" else "")))


def test_the_map_names_every_module_and_every_folder() -> None:
    assert len(MODULES) > 200
    meant = [
        (path, path.parent.name if path.stem == "__init__" else path.stem)
        for path in MODULES
        if len(path.parts) > 2 or path.stem != "__init__"
    ]
    assert [str(path) for path, name in meant if name not in names_for(path)] == []


def test_the_map_names_nothing_that_is_gone() -> None:
    there = {part.removesuffix(".py") for path in MODULES for part in path.parts} | {"kdpipe"}
    assert set(NAME.findall(MAP)) - there == set()
