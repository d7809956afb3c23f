"""The code fingerprint: every change that can matter counts, every change that cannot does not."""

from pathlib import Path

import pytest

from cache.errors import StoreError
from cache.fingerprint import Fingerprint

RUN = '''"""The stage."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from models.net import Net, SCALE
from stages.demo import STAGE
from stages.media import tool

if TYPE_CHECKING:
    from pathlib import Path


def run(ctx, factor: float = 2.0) -> None:
    """Work."""
    from models import late

    value: int = 3
    return Net().forward(value) * factor + late.offset() + tool.LIMIT
'''

NET = '''"""A network."""

SCALE = 4


class Net:
    """Doc."""

    width = 8

    @staticmethod
    def other(x):
        return x

    def forward(self, x: int, *, bias: int = 1) -> int:
        """Doc."""
        # a comment
        return x * SCALE + bias
'''

DECLARATION = '''"""Declares."""

from dataclasses import dataclass

from cache.stage import Stage, option


@dataclass(frozen=True)
class DemoParams:
    """Parameters."""

    alpha: float = option(1.0, "a number")

    @property
    def twice(self) -> float:
        return self.alpha * 2


STAGE = Stage(name="demo", entry="stages.demo.run:run", params=DemoParams)


def nodes(config):
    return [config.params("demo", DemoParams)]
'''

FILES = {
    "cache/__init__.py": "",
    "cache/stage.py": "def option(default, doc): return default\n",
    "models/__init__.py": "",
    "models/net.py": NET,
    "models/late.py": "def offset():\n    return 5\n",
    "models/unused.py": "X = 1\n",
    "stages/__init__.py": "",
    "stages/demo/__init__.py": DECLARATION,
    "stages/demo/run.py": RUN,
    "stages/media/__init__.py": "",
    "stages/media/tool.py": "LIMIT = 7\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def digests(tree: Path) -> dict[str, str]:
    return {name: module.digest for name, module in Fingerprint(tree).closure("stages.demo.run").items()}


def edit(tree: Path, name: str, old: str, new: str) -> None:
    path = tree / name
    text = path.read_text()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
    path.write_text(text.replace(old, new))


def test_the_closure_follows_imports_inside_functions_and_parents(tree: Path) -> None:
    assert set(digests(tree)) == {
        "models", "models.late", "models.net", "stages", "stages.demo", "stages.demo.run", "stages.media", "stages.media.tool",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("models/net.py", "SCALE = 4", "SCALE = 5"),
        ("models/net.py", "bias: int = 1", "bias: int = 2"),
        ("models/net.py", "x * SCALE", "x / SCALE"),
        ("models/net.py", "width = 8", "width = 9"),
        ("models/net.py", "@staticmethod", "@classmethod"),
        ("models/net.py", "class Net:", "class Net(dict):"),
        ("models/late.py", "return 5", "return 6"),
        ("stages/media/tool.py", "7", "8"),
        ("stages/media/__init__.py", "", "import os\n"),
        ("stages/demo/run.py", "factor: float = 2.0", "factor: float = 3.0"),
        ("stages/demo/run.py", "value: int = 3", "value: int = 4"),
        ("stages/demo/run.py", "from models.net import Net, SCALE", "from models.net import Net as Net, SCALE as SIZE"),
        ("stages/demo/__init__.py", "self.alpha * 2", "self.alpha * 3"),
    ],
)
def test_a_change_that_can_matter_counts(tree: Path, name: str, old: str, new: str) -> None:
    before = digests(tree)
    if old:
        edit(tree, name, old, new)
    else:
        (tree / name).write_text(new)
    assert digests(tree) != before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("models/net.py", "        # a comment\n", "        # another comment, longer\n\n"),
        ("models/net.py", '"""A network."""', '"""The same network, described better."""'),
        ("models/net.py", "x: int, *, bias: int = 1", "x: float, *, bias: float = 1"),
        ("models/net.py", "x * SCALE + bias", "(x\n            * SCALE) + bias"),
        ("stages/demo/run.py", "import math\nfrom typing import TYPE_CHECKING\n", "from typing import TYPE_CHECKING\nimport math\n"),
        ("stages/demo/run.py", "Net, SCALE", "SCALE, Net"),
        ("stages/demo/run.py", "    from pathlib import Path\n", "    from pathlib import Path, PurePath\n"),
        ("stages/demo/run.py", "value: int = 3", "value: float = 3"),
        ("stages/demo/run.py", "from __future__ import annotations\n", ""),
        ("models/unused.py", "X = 1", "X = 2"),
        ("cache/stage.py", "return default", "return (default)  # the store is neutral"),
        # these reach the key as values: parameters, entry and inputs
        ("stages/demo/__init__.py", 'option(1.0, "a number")', 'option(2.0, "a number")'),
        ("stages/demo/__init__.py", 'name="demo"', 'name="demo", version=2'),
        ("stages/demo/__init__.py", "return [config", "return 2 * [config"),
    ],
)
def test_a_change_that_cannot_matter_does_not_count(tree: Path, name: str, old: str, new: str) -> None:
    before = digests(tree)
    edit(tree, name, old, new)
    assert digests(tree) == before


def test_a_changed_function_is_named(tree: Path) -> None:
    before = Fingerprint(tree).closure("stages.demo.run")["models.net"].definitions
    edit(tree, "models/net.py", "x * SCALE", "x - SCALE")
    after = Fingerprint(tree).closure("stages.demo.run")["models.net"].definitions
    assert [name for name in after if before[name] != after[name]] == ["Net.forward"]


def test_a_module_named_in_import_module_is_followed(tree: Path) -> None:
    edit(tree, "models/late.py", "return 5", "import importlib\n    return importlib.import_module('models.unused').X")
    assert "models.unused" in digests(tree)


def test_extra_modules_join_the_closure(tree: Path) -> None:
    assert "models.unused" in Fingerprint(tree).closure("stages.demo.run", ["models.unused"])


def test_the_memory_of_parsed_modules_gives_the_same_answer(tree: Path) -> None:
    memo = tree / "memo.json"
    first = Fingerprint(tree, memo)
    expected = first.closure("stages.demo.run")
    first.save()
    assert Fingerprint(tree, memo).closure("stages.demo.run") == expected
    edit(tree, "models/net.py", "SCALE = 4", "SCALE = 5")
    assert Fingerprint(tree, memo).closure("stages.demo.run") != expected
    memo.write_text("not json")
    assert Fingerprint(tree, memo).closure("stages.demo.run") == Fingerprint(tree).closure("stages.demo.run")


def test_a_syntax_error_names_file_and_line(tree: Path) -> None:
    edit(tree, "models/late.py", "return 5", "return (")
    with pytest.raises(StoreError, match=r"models/late.py line 2"):
        digests(tree)
