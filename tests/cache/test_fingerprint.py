"""The code fingerprint: every change that can matter counts, every change that cannot does not."""

import ast
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from cache.errors import StoreError
from cache.fingerprint import NEUTRAL, Fingerprint, unseen
from cache.syntax import PACKAGES
from cache.values import VALUE, values

RUN = '''"""The stage."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from models.net import Net, SCALE
from stages.demo import STAGE
from media import tool

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
    "media/__init__.py": "",
    "media/tool.py": "LIMIT = 7\n",
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
        "models", "models.late", "models.net", "stages", "stages.demo", "stages.demo.run", "media", "media.tool",
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
        ("media/tool.py", "7", "8"),
        ("media/__init__.py", "", "import os\n"),
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
        ("models/net.py", "        # a comment\n", "        pass\n        ...\n"),
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


def test_values_are_listed_for_people_and_change_no_digest(tree: Path) -> None:
    module = Fingerprint(tree).closure("stages.demo.run")["models.net"]
    assert any(name.startswith(VALUE) and name != VALUE for name in module.definitions)
    counted = sorted((name, digest) for name, digest in module.definitions.items() if not name.startswith(VALUE))
    assert module.digest == hashlib.sha256(json.dumps(counted).encode()).hexdigest()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SIZE = 64", {"=SIZE": "64"}),
        ("SIZE: int = -1", {"=SIZE": "-1"}),
        ("A, B = 1, 2", {"=A": "#", "=B": "#"}),
        ("A = B = 1", {"=A": "#", "=B": "#"}),
        ("A = 1\nA += 1", {"=A": "#"}),
        ("T = {'a': 1}", {"=T": "#"}),
        (f"S = {'x' * 50!r}", {"=S": "#"}),
        ("def f():\n    x = 1", {}),
    ],
)
def test_a_short_value_is_listed_as_it_stands(text: str, found: dict[str, str]) -> None:
    listed = {name: told if told[0] != "#" else "#" for name, told in values(ast.parse(text).body).items() if name != VALUE}
    assert listed == found


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


DEMO = "stages/demo/run.py"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # a name that is defined twice
        ("class A:\n    x = 1\nclass A(A):\n    y = 1\n", "class A:\n    x = 2\nclass A(A):\n    y = 1\n"),
        ("def A():\n    return 1\nB = A\nclass A: pass\n", "def A():\n    return 2\nB = A\nclass A: pass\n"),
        ("def f(): return 1\ndef f(): return 2\n", "def f(): return 2\ndef f(): return 1\n"),
        ("class A:\n    def __init__(self): pass\n    x = 1\n", "class A:\n    x = 1\n    def __init__(self): pass\n"),
        ("@dec\nclass A: pass\n", "@other\nclass A: pass\n"),
        ("class A(metaclass=M): pass\n", "class A(metaclass=N): pass\n"),
        ("def f():\n    def g(): return 1\n    return g\n", "def f():\n    def g(): return 2\n    return g\n"),
        # class fields: dataclasses, named tuples and the like read them
        ("@dataclass\nclass A:\n    x: int\n    y: int\n", "@dataclass\nclass A:\n    y: int\n    x: int\n"),
        ("@dataclass\nclass A:\n    x: int = 1\n", "@dataclass\nclass A:\n    x: ClassVar[int] = 1\n"),
        ("@dataclass\nclass A:\n    x: int = 1\n", "@dataclass\nclass A:\n    x: 'InitVar[int]' = 1\n"),
        ("@dataclass\nclass A:\n    x: int = 1\n", "@dataclass\nclass A:\n    x = 1\n"),
        ("class A(NamedTuple):\n    x: int\n", "class A(NamedTuple):\n    x: int\n    y: int\n"),
        ("class A(TypedDict):\n    x: int\n", "class A(TypedDict):\n    x: NotRequired[int]\n"),
        ("class A:\n    x: int = 1\n", "class A:\n    (x): int = 1\n"),
        # annotations that do something, or make a name local
        ("def f(a: (n := 1)): pass\n", "def f(a: (n := 2)): pass\n"),
        ("x: register(1) = 3\n", "x: register(2) = 3\n"),
        ("x = 1\ndef f():\n    return x\n", "x = 1\ndef f():\n    x: int\n    return x\n"),
        # imports
        ("import a as x\nimport b as x\n", "import b as x\nimport a as x\n"),
        ("from a import x\nfrom b import x\n", "from b import x\nfrom a import x\n"),
        ("from a import *\nfrom b import *\n", "from b import *\nfrom a import *\n"),
        ("import a.b\nimport c as a\n", "import c as a\nimport a.b\n"),
        ("try:\n    import a\n    import b\nexcept ImportError: pass\n", "try:\n    import b\n    import a\nexcept ImportError: pass\n"),
        ("import models.net\nimport models.late\n", "import models.late\nimport models.net\n"),
        ("from models import net, late\n", "from models import late, net\n"),
        ("import os.path as p\n", "import os.path\n"),
        ("from . import a\n", "from .. import a\n"),
        ("__all__ = ['a']\n", "__all__ = ['a', 'b']\n"),
        # a name that only looks like the constant of typing
        (
            "from config import TYPE_CHECKING\nif TYPE_CHECKING:\n    X = 1\n",
            "from config import TYPE_CHECKING\nif TYPE_CHECKING:\n    X = 2\n",
        ),
        (
            "from typing import TYPE_CHECKING\nTYPE_CHECKING = 1\nif TYPE_CHECKING:\n    X = 1\n",
            "from typing import TYPE_CHECKING\nTYPE_CHECKING = 1\nif TYPE_CHECKING:\n    X = 2\n",
        ),
        (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    X = 1\n",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    X = 2\n",
        ),
        # a name that only looks like a declaration
        ("from nets import Stage\nBLOCK = Stage(64, 2)\n", "from nets import Stage\nBLOCK = Stage(64, 3)\n"),
        ("def nodes(): return 1\n", "def nodes(): return 2\n"),
        # the rest of the language
        ("def f():\n    global x\n    x = 1\n", "def f():\n    x = 1\n"),
        ("if (n := 3) > 2: pass\n", "if (n := 4) > 2: pass\n"),
        ("f = lambda x=1: x\n", "f = lambda x=2: x\n"),
        ("def f(x): return f'{x:.2f}'\n", "def f(x): return f'{x:.3f}'\n"),
        ("def f(x): return f'{x!r}'\n", "def f(x): return f'{x!s}'\n"),
        ("match x:\n    case 1: y = 1\n", "match x:\n    case 2: y = 1\n"),
        ("match x:\n    case None: y = 1\n", "match x:\n    case False: y = 1\n"),
        ("x = {**a, 1: 2}\n", "x = {1: 2, **a}\n"),
        ("def f(*, a, b=1): pass\n", "def f(*, a=1, b): pass\n"),
        ("def f(a, /, b): pass\n", "def f(a, b, /): pass\n"),
        ("x = 1\n", "x = 1.0\n"),
        ("x = 1\n", "x = True\n"),
        ("x = b'a'\n", "x = 'a'\n"),
        ("x = None\n", "x = 'None'\n"),
        ("x = (1)\n", "x = (1,)\n"),
        ("def f():\n    'doc'\n    return 1\n", "def f():\n    'doc'\n    return 2\n"),
        ("def f():\n    f'{g()}'\n", "def f():\n    pass\n"),
        ("if a:\n    b()\n", "if a:\n    pass\nb()\n"),
        ("async def f(): pass\n", "def f(): pass\n"),
        # what reads annotations, docstrings or source when it runs
        ("print(f.__doc__)\ndef f():\n    'one'\n", "print(f.__doc__)\ndef f():\n    'two'\n"),
        ("getattr(f, '__doc__')\ndef f():\n    'one'\n", "getattr(f, '__doc__')\ndef f():\n    'two'\n"),
        (
            "from functools import singledispatch\n@singledispatch\ndef f(x: int): pass\n",
            "from functools import singledispatch\n@singledispatch\ndef f(x: str): pass\n",
        ),
        (
            "import typing as t\nt.get_type_hints(f)\ndef f(x: int): pass\n",
            "import typing as t\nt.get_type_hints(f)\ndef f(x: str): pass\n",
        ),
        ("import inspect\ndef f(x: int): pass\n", "import inspect\ndef f(x: str): pass\n"),
    ],
)
def test_what_two_programs_do_differently_counts(tree: Path, before: str, after: str) -> None:
    (tree / DEMO).write_text(before)
    first = digests(tree)
    (tree / DEMO).write_text(after)
    assert digests(tree) != first


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x: int = 3\n", "x = 3\n"),
        ("def f():\n    self.x: int\n    return 1\n", "def f():\n    return 1\n"),
        ("def f(): pass\n", "def f():\n    'doc'\n"),
        ("x = 1\n", "x = 1\n'what x is'\n"),
        ("x = u'a'\n", 'x = "a"\n'),
        ("x = 'a' 'b'\n", "x = 'ab'\n"),
        ("x = 0x10\n", "x = 16\n"),
        ("import a, b\n", "import b\nimport a\n"),
        ("from a import x, y\n", "from a import y\nfrom a import x\n"),
        ("import a.b\nimport a.c\n", "import a.c\nimport a.b\n"),
        ("import os\nimport models.net\n", "import models.net\nimport os\n"),
        ("from models.net import Net, SCALE\n", "from models.net import SCALE, Net\n"),
        ("x = 1\n", "# -*- coding: utf-8 -*-\nx = 1  # type: int\n"),
        ("if x:\n    y = 1\n", "if x:\n    y = 1\nelse:\n    pass\n"),
        ("import typing\nx = 1\n", "import typing\nif typing.TYPE_CHECKING:\n    from a import B\nx = 1\n"),
    ],
)
def test_what_two_programs_do_alike_does_not_count(tree: Path, before: str, after: str) -> None:
    (tree / DEMO).write_text(before)
    first = digests(tree)
    (tree / DEMO).write_text(after)
    assert digests(tree) == first


def test_the_encoding_of_a_text_counts_where_it_changes_a_string(tree: Path) -> None:
    (tree / DEMO).write_bytes(b"# coding: latin-1\nx = '\xc3\xa9'\n")
    first = digests(tree)
    (tree / DEMO).write_bytes(b"# coding: utf-8\nx = '\xc3\xa9'\n")
    assert digests(tree) != first


def test_code_that_reads_docstrings_makes_those_of_its_imports_count(tree: Path) -> None:
    edit(tree, DEMO, "value: int = 3", "value = Net.__doc__")
    before = digests(tree)
    edit(tree, "models/net.py", '"""A network."""', '"""The network."""')
    assert digests(tree) != before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("class Row:\n    scale: float = 2.0", "class Row:\n    scale: float = 3.0"),
        ("KIND: ClassVar[int] = 1", "KIND: ClassVar[int] = 2"),
        ("LIMIT = 5", "LIMIT = 6"),
        ("return LIMIT", "return -LIMIT"),
        ("plain: int = 1", "plain: int = 2"),
        ("tuple(range(3))", "tuple(range(4))"),
        ("return self.alpha * 2", "return self.alpha * 3"),
    ],
)
def test_what_stands_beside_a_declaration_counts(tree: Path, old: str, new: str) -> None:
    text = DECLARATION.replace("from dataclasses", "from typing import ClassVar\nfrom dataclasses") + (
        "\n\n@dataclass\nclass Row:\n    scale: float = 2.0\n\n\nLIMIT = 5\n\n\ndef limit():\n    return LIMIT\n"
    )
    fields = "    KIND: ClassVar[int] = 1\n    plain: int = 1\n    made: tuple = option(tuple(range(3)), '')\n    alpha: float"
    (tree / "stages/demo/__init__.py").write_text(text.replace("    alpha: float", fields))
    before = digests(tree)
    edit(tree, "stages/demo/__init__.py", old, new)
    assert digests(tree) != before


@pytest.mark.parametrize(
    "use",
    [
        "from stages.demo import DemoParams\nSHARE = DemoParams().alpha\n",
        "from stages import demo\nSHARE = demo.DemoParams.alpha\n",
        "import stages.demo as d\nSHARE = d.DemoParams().alpha\n",
        "import stages.demo\nSHARE = stages.demo.DemoParams().alpha\n",
        "from stages.demo import *\nSHARE = DemoParams().alpha\n",
        "from stages.demo import default\nSHARE = default()\n",
    ],
)
def test_a_default_that_code_reads_by_itself_counts(tree: Path, use: str) -> None:
    (tree / "stages/demo/__init__.py").write_text(DECLARATION + "\n\ndef default():\n    return DemoParams().alpha\n")
    (tree / DEMO).write_text(use)
    before = digests(tree)
    edit(tree, "stages/demo/__init__.py", "option(1.0", "option(2.0")
    assert digests(tree) != before


def test_a_default_that_a_method_of_a_record_reads_counts(tree: Path) -> None:
    (tree / "stages/demo/__init__.py").write_text(DECLARATION.replace("self.alpha * 2", "self.alpha * len(STAGE.name)"))
    before = digests(tree)
    edit(tree, "stages/demo/__init__.py", 'name="demo"', 'name="demonstration"')
    assert digests(tree) != before


def test_a_default_that_an_entry_beside_its_declaration_reads_counts(tree: Path) -> None:
    path = tree / "stages/demo/__init__.py"
    path.write_text(DECLARATION + "\n\ndef run(ctx):\n    return DemoParams().alpha\n")
    before = Fingerprint(tree).closure("stages.demo")
    edit(tree, "stages/demo/__init__.py", "option(1.0", "option(2.0")
    assert Fingerprint(tree).closure("stages.demo") != before


def test_bytecode_without_a_text_counts(tree: Path) -> None:
    (tree / "models/late.py").unlink()
    (tree / "models/late.pyc").write_bytes(b"one")
    before = digests(tree)
    assert "models.late" in before
    (tree / "models/late.pyc").write_bytes(b"two")
    assert digests(tree) != before


def test_a_package_is_taken_before_a_module_of_the_same_name_as_python_does(tree: Path) -> None:
    (tree / "models/net").mkdir()
    (tree / "models/net/__init__.py").write_text("SCALE = 1\nclass Net: pass\n")
    before = digests(tree)
    edit(tree, "models/net/__init__.py", "SCALE = 1", "SCALE = 2")
    assert digests(tree) != before


def test_a_module_that_becomes_a_package_is_read_anew(tree: Path) -> None:
    memo = tree / "memo.json"
    (tree / "models/late.py").write_text("from . import unused\n")
    first = Fingerprint(tree, memo)
    assert "models.unused" in first.closure("models.late")
    first.save()
    (tree / "models/late.py").unlink()
    (tree / "models/late").mkdir()
    (tree / "models/late/__init__.py").write_text("from . import unused\n")
    assert "models.unused" not in Fingerprint(tree, memo).closure("models.late")


def test_the_bytes_of_a_compiled_module_count(tree: Path) -> None:
    (tree / "models/fast.abi3.so").write_bytes(b"one")
    edit(tree, "models/late.py", "return 5", "from models import fast\n    return 5")
    before = digests(tree)
    assert "models.fast" in before
    (tree / "models/fast.abi3.so").write_bytes(b"two")
    assert digests(tree) != before


@pytest.mark.parametrize(
    "text",
    [
        "from models import unused\n",
        "from models import *\n",
        "from ..models import unused\n",
        "import models.unused as u\n",
        "def f():\n    if x:\n        from models.unused import X\n",
        "try:\n    import models.unused\nexcept ImportError:\n    pass\n",
        "import importlib\nimportlib.import_module('models.unused')\n",
        "from importlib import import_module as load\nload('models.unused')\n",
        "import importlib\nimportlib.import_module(name='models.unused')\n",
        "__import__('models.unused')\n",
    ],
)
def test_a_module_reached_by_a_name_in_the_text_is_followed(tree: Path, text: str) -> None:
    (tree / "models/late.py").write_text("")
    (tree / DEMO).write_text(text)
    (tree / "stages/__init__.py").write_text("")
    if text.startswith("from .."):
        (tree / "models/late.py").write_text("from . import unused\n")
        (tree / DEMO).write_text("import models.late\n")
    assert "models.unused" in digests(tree)


def test_a_star_may_load_every_module_of_a_package(tree: Path) -> None:
    (tree / "models/_private.py").write_text("")
    (tree / "models/__pycache__").mkdir()
    (tree / DEMO).write_text("from models import *\n")
    assert {name for name in digests(tree) if name.startswith("models.")} == {
        "models._private", "models.late", "models.net", "models.unused",
    }  # fmt: skip


def test_a_relative_name_in_import_module_is_followed(tree: Path) -> None:
    edit(tree, "models/late.py", "return 5", "import importlib\n    return importlib.import_module('.unused', __package__).X")
    assert "models.unused" in digests(tree)


HIDDEN = {
    "a registry of strings": "import importlib\nNETS = {'a': 'models.unused'}\nX = importlib.import_module(NETS['a']).X\n",
    "a plug-in of a table": "import importlib\nTABLE = {'module': 'models.unused'}\nimportlib.import_module(TABLE['module'])\n",
    "a name put together": "import importlib\nNAME = 'unused'\nX = importlib.import_module(f'models.{NAME}').X\n",
    "a run as a script": "import runpy\nimport models\nrunpy.run_module('models.net')\n__import__('models.' + 'unused')\n",
}


@pytest.mark.parametrize("text", HIDDEN.values(), ids=HIDDEN)
def test_code_reached_behind_the_back_of_the_fingerprint_is_found_after_the_run(tree: Path, text: str) -> None:
    (tree / "stages/demo/__init__.py").write_text("")
    (tree / DEMO).write_text(text)
    known = Fingerprint(tree).closure("stages.demo.run")
    assert "models.unused" not in known
    program = "import sys, json\nimport stages.demo.run\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=tree, capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    assert unseen(loaded, known) == ["models.unused"]
    assert unseen(loaded, Fingerprint(tree).closure("stages.demo.run", ["models.unused"])) == []


def test_only_work_of_the_project_is_unseen(tree: Path) -> None:
    known = Fingerprint(tree).closure("stages.demo.run")
    quiet = [
        "json",
        "torch.nn",
        "pipeline.cli.run",
        "cache.store",
        "stages",
        "stages.other",
        "systems",
        "systems.videoqa",
        *PACKAGES,
        *known,
    ]
    assert unseen(quiet, known) == []
    hidden = ["cache.hdf5", "models.unused", "stages.other.run", "systems.videoqa.graph"]
    assert unseen([*quiet, *reversed(hidden), "models.unused"], known) == hidden
    assert unseen(hidden, known, declared=hidden[1:]) == ["cache.hdf5"]


def test_every_module_of_the_store_is_named_as_neutral_or_not() -> None:
    folder = Path(__file__).resolve().parents[2] / "cache"
    modules = {"cache"} | {f"cache.{path.stem}" for path in folder.glob("*.py") if path.stem != "__init__"}
    bits = {"digest", "fletcher32", "given", "hdf5", "json_files", "ledger", "npy", "pack", "ragged"}
    assert modules - NEUTRAL == {f"cache.{name}" for name in bits}
    assert NEUTRAL - modules == set()


def test_a_memory_with_a_flipped_bit_is_not_believed(tree: Path) -> None:
    memo = tree / "memo.json"
    first = Fingerprint(tree, memo)
    expected = first.closure("stages.demo.run")
    first.save()
    whole = memo.read_bytes()
    assert len(Fingerprint(tree, memo)._by_text) == len(expected)
    for place in range(0, len(whole) - 1, len(whole) // 200):
        memo.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        damaged = Fingerprint(tree, memo)
        assert not damaged._by_text
        assert damaged.closure("stages.demo.run") == expected
    memo.write_bytes(whole[: len(whole) // 2])
    assert not Fingerprint(tree, memo)._by_text


def test_saving_the_memory_leaves_one_file(tree: Path) -> None:
    memo = tree / "memo" / "code.json"
    for number in range(3):
        (tree / "models/unused.py").write_text(f"X = {number}\n")
        fingerprint = Fingerprint(tree, memo)
        fingerprint.closure("models.unused")
        fingerprint.save()
    assert [path.name for path in memo.parent.iterdir()] == ["code.json"]


def test_a_memory_that_grew_too_large_keeps_what_was_asked_for(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memo = tree / "memo.json"
    monkeypatch.setattr(Fingerprint, "MEMORY", 5)
    for number in range(9):
        (tree / "models/unused.py").write_text(f"X = {number}\n")
        fingerprint = Fingerprint(tree, memo)
        fingerprint.closure("models.unused")
        fingerprint.save()
    assert 0 < len(Fingerprint(tree, memo)._by_text) <= 5


def test_a_syntax_error_names_file_and_line(tree: Path) -> None:
    edit(tree, "models/late.py", "return 5", "return (")
    with pytest.raises(StoreError, match=r"models/late.py line 2"):
        digests(tree)
