"""``predict.py`` as it is put together: one file without kdpipe, that a person can read."""

from __future__ import annotations

import ast

import pytest

from pipeline.export.script import OPENS, composed
from tests.export.bench import BLOCKED

SCRIPTS = tuple(
    f"systems.{system}.standalone" for system in ("videoqa", "fewerframes", "litemkd", "gkd.recognition", "gkd.detection", "xkd")
)


@pytest.mark.parametrize("format", OPENS)
@pytest.mark.parametrize("module", SCRIPTS)
def test_it_imports_what_it_needs_and_nothing_of_kdpipe(module: str, format: str) -> None:
    text = composed(module, format)
    tree = ast.parse(text)
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    packages = {name.split(".")[0] for node in imported for name in (getattr(node, "module", None) or "", *(a.name for a in node.names))}
    assert not packages & set(BLOCKED) and {"onnxruntime": "torch", "torch": "onnxruntime"}[_runtime(format)] not in packages
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert len(defined) == len(set(defined)) and defined.count("network") == 1 and defined[-1] == "main"
    assert text.startswith('"""') and "python predict.py" in (ast.get_docstring(tree) or "")
    assert len(text.splitlines()) < 200


def _runtime(format: str) -> str:
    return "onnxruntime" if format == "onnx" else "torch"
