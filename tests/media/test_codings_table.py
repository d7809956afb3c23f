"""The table of codings: every name can be used, wrong ones are errors that help."""

from __future__ import annotations

import importlib

import pytest

from cache.errors import ConfigError
from cache.fingerprint import Fingerprint
from media import codings
from media.codings.table import CODINGS, coder, module_of, options_of
from tests.command import PROJECT


def test_the_declaration_and_the_table_name_the_same_codings_and_every_option_has_a_default() -> None:
    named = [(kind, name) for kind, names in codings.CODINGS.items() for name in names]
    assert sorted(named) == sorted(CODINGS) == sorted(codings.OPTIONS)
    assert {option for options in codings.OPTIONS.values() for option in options} == set(codings.DEFAULTS)


@pytest.mark.parametrize(("kind", "name"), CODINGS)
def test_every_coding_has_a_module_that_codes_and_decodes(kind: str, name: str) -> None:
    module = importlib.import_module(module_of(kind, name))
    assert callable(module.coder) and callable(module.decode)


def test_two_codings_of_one_kind_are_two_modules() -> None:
    for kind, names in codings.CODINGS.items():
        assert len({module_of(kind, name) for name in names}) == len(names)


@pytest.mark.parametrize(("kind", "name"), CODINGS)
def test_the_fingerprint_of_a_coding_holds_no_other_coding(kind: str, name: str) -> None:
    own = module_of(kind, name)
    reached = Fingerprint(PROJECT).closure("media.codings.table", [own])
    others = {module_of(*other) for other in CODINGS} - {own}
    assert own in reached and not others & set(reached)


def test_of_many_options_a_coding_takes_its_own() -> None:
    assert options_of("flow", "wheel", {"bound": 3.0, "zero": "black", "depth": 1}) == {"codec": "jpeg", "quality": 95, "zero": "black"}


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("weel", {}, "did you mean 'wheel'"),
        ("jet", {}, "unknown coding 'jet' of flow"),
        ("xy", {"rule": "densflow"}, "did you mean 'denseflow'"),
        ("xy", {"bound": 0.0}, "bound cannot be 0.0"),
        ("xy", {"bound": float("nan")}, "bound cannot be nan"),
        ("wheel", {"codec": "webp"}, "codec cannot be 'webp'"),
    ],
)
def test_what_cannot_be_is_an_error_that_names_the_nearest(name: str, options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        coder("flow", name, options)
    assert said in str(error.value)
