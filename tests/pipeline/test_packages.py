"""The code that runs is the code that the key speaks of, wherever Python finds packages of the same names."""

import shutil
from pathlib import Path

import pytest


def elsewhere(house, *packages: str) -> Path:
    """A partial copy of the checkout that comes first on Python's path."""
    other = house.root.parent / "elsewhere"
    for package in packages:
        shutil.copytree(house.root / package, other / package, ignore=shutil.ignore_patterns("__pycache__"))
    house.environment |= {"PYTHONSAFEPATH": "1", "PYTHONPATH": f"{other}:{house.root}"}
    return other


@pytest.mark.parametrize("edited", [True, False])
def test_a_partial_copy_that_comes_first_on_the_path_is_refused_and_both_files_are_named(house, edited: bool) -> None:
    other = elsewhere(house, "models")
    if edited:
        (other / "models" / "net.py").write_text((house.root / "models" / "net.py").read_text().replace("WIDTH = 2", "WIDTH = 3"))
    error = house.run("run", "features", code=1).stderr
    assert str(other / "models") in error and str(house.root / "models") in error and "PYTHONPATH" in error
    assert house.status()["extract.appearance"] != "fresh"


@pytest.mark.parametrize("package", ["stages", "systems", "cache"])
def test_so_is_one_of_any_package(house, package: str) -> None:
    other = elsewhere(house, package)
    assert str(other / package) in house.run("run", "world", code=1).stderr


def test_a_module_that_only_the_copy_has_is_refused(house) -> None:
    house.edit("models/net.py", "WIDTH = 2", 'import importlib\nWIDTH = importlib.import_module("models.extra").WIDTH')
    other = elsewhere(house, "models")
    (other / "models" / "extra.py").write_text("WIDTH = 2\n")
    error = house.run("run", "features", code=1).stderr
    assert str(other / "models") in error


def hears(house, module: str, file: str, text: str) -> None:
    """Let the toy stage ``sample`` have a worker that says what it loaded."""
    house.edit("stages/sample/run.py", "    rows, listed = {}, ", f"    told({module!r}, {file}, {text})\n    rows, listed = {{}}, ")
    path = house.root / "stages/sample/run.py"
    path.write_text(
        "from cache import loaded\nfrom pathlib import Path\n\n"
        "def told(module, file, text):\n    loaded.hear({module: (str(file), text)})\n" + path.read_text()
    )


@pytest.mark.parametrize(
    ("module", "file", "text", "expected"),
    [
        ("stages.sample.helper", "'/elsewhere/helper.py'", "''", "/elsewhere/helper.py"),
        ("stages.sample.helper", "helper.__file__", "'0' * 64", "was edited while a worker process of sample was loading it"),
        ("models.net", "Path(helper.__file__).parents[2] / 'models/net.py'", "''", "loaded models.net, which its key does not see"),
    ],
)
def test_a_worker_that_runs_other_code_is_refused_before_its_work_is_used(house, module: str, file: str, text: str, expected: str) -> None:
    hears(house, module, file, text)
    assert expected in house.run("run", "sample", code=1).stderr
    assert house.worked() == []


def test_an_edit_of_a_comment_before_a_worker_starts_is_no_other_code(house) -> None:
    comment = "Path(helper.__file__).write_text('# new' + Path(helper.__file__).read_text())"
    hears(house, "stages.sample.helper", "helper.__file__", f"({comment}, loaded._digest(helper.__file__))[1]")
    assert "sample" in house.computed("sample")


def test_what_an_earlier_stage_loaded_is_no_way_around_the_key(house) -> None:
    (house.root / "models" / "hidden.py").write_text("VALUE = 2\n")
    path = house.root / "stages/world/run.py"
    path.write_text("import models.hidden\n" + path.read_text())
    house.edit("models/net.py", "WIDTH = 2", 'import importlib\nWIDTH = importlib.import_module("models." + "hid" + "den").VALUE')
    error = house.run("run", "features", code=1).stderr
    assert "loaded models.hidden, which its key does not see" in error
    assert house.status()["sample"] == "fresh"


def test_what_an_earlier_stage_loaded_may_be_loaded_again_where_the_key_sees_it(house) -> None:
    (house.root / "models" / "shared.py").write_text("VALUE = 2\n")
    for name in ("stages/world/run.py", "models/net.py", "systems/videoqa/train.py"):
        path = house.root / name
        path.write_text("from models.shared import VALUE\n" + path.read_text())
    assert "report" in house.computed("report")
