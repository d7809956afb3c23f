"""What parameters say of themselves: every number has a range, and what cannot matter says when it counts."""

from __future__ import annotations

import dataclasses
import math
import sys
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.errors import ConfigError
from cache.option import Range, idle_because, option, settled
from models.weights import WEIGHTS
from pipeline.checked import Value, checked
from pipeline.config import Config
from pipeline.graph import build
from stages.extract import ExtractParams
from tests.pipeline.records import parameters, records

NAMES = [f"{record.__module__}.{record.__name__}.{field.name}" for record, field, _ in parameters()]
NUMBERS = [(record, field, kind) for record, field, kind in parameters() if kind in (int, float)]
NOT_NUMBERS = (math.nan, math.inf, -math.inf, 10**400, -(10**400), True, "1", None, [])


def test_every_number_states_one_lower_and_one_upper_bound() -> None:
    for record, field, _ in NUMBERS:
        allowed = field.metadata["range"]
        assert [allowed.at_least, allowed.above].count(None) == [allowed.at_most, allowed.below].count(None) == 1, (record, field.name)


@pytest.mark.parametrize(("record", "field", "kind"), parameters(), ids=NAMES)
def test_a_default_is_a_value_that_the_parameter_can_have(record: type, field: Any, kind: type) -> None:
    values = field.default if isinstance(field.default, tuple) else (field.default,)
    assert all(value is None or kind not in (int, float) or value in field.metadata["range"] for value in values)
    assert not field.metadata["choices"] or set(values) <= set(field.metadata["choices"])


@pytest.mark.parametrize(("record", "field", "kind"), parameters(), ids=NAMES)
def test_when_a_parameter_counts_is_said_by_parameters_and_values_that_there_are(record: type, field: Any, kind: type) -> None:
    """A record shares its fields with the others of its module: what one of them lacks, another has."""
    others = {f.name: f for one in records() if one.__module__ == record.__module__ for f in dataclasses.fields(one)}
    for settings in (field.metadata["when"], *field.metadata["unless"]):
        for name, values in settings.items():
            choices = others[name].metadata["choices"]
            assert isinstance(values, tuple) and (not choices or set(values) < set(choices))
    assert field.metadata["no_more_than"] in ("", *others)


@given(st.data())
def test_numbers_out_of_range_are_refused_with_origin_key_and_range(data: Any) -> None:
    _, field, kind = data.draw(st.sampled_from(NUMBERS))
    allowed = field.metadata["range"]
    value = data.draw(st.one_of(st.sampled_from(NOT_NUMBERS), st.floats(), st.integers(), st.integers(-3, 3), st.integers(2**62, 2**80)))
    whole = isinstance(value, int) and not isinstance(value, bool)
    fits = whole or (kind is float and isinstance(value, float))
    low = fits and (allowed.at_least is None or value >= allowed.at_least) and (allowed.above is None or value > allowed.above)
    high = fits and (allowed.at_most is None or value <= allowed.at_most) and (allowed.below is None or value < allowed.below)
    if low and high and (allowed.multiple_of == 1 or value % allowed.multiple_of == 0):
        result = checked(Value(value, "here"), kind, "a.key", field.metadata)
        assert result == value and type(result) is kind and math.copysign(1, result) == (1 if value == 0 else math.copysign(1, value))
    else:
        with pytest.raises(ConfigError, match=r"^here: a\.key = .* must be") as refused:
            checked(Value(value, "here"), kind, "a.key", field.metadata)
        assert str(allowed) in str(refused.value) and len(str(refused.value)) < 400


@pytest.mark.parametrize("text", ["\0", "a\n", "\x1b[2J", "\ud800", "a" * 4097])
def test_text_that_can_name_nothing_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="without control characters") as refused:
        checked(Value(text, "here"), str, "a.key", {})
    assert len(str(refused.value)) < 300 and str(refused.value).isprintable()


def test_a_dataset_s_name_fits_into_the_names_of_files() -> None:
    with pytest.raises(ConfigError, match="at most 200 characters"):
        build(Config("msvd", "videoqa", [f"index.name={'a' * 201}"]))


def test_a_range_says_what_it_holds() -> None:
    assert str(Range(above=0, at_most=1)) == "above 0 and at most 1"
    assert str(Range(at_least=4, at_most=8, multiple_of=4)) == "at least 4 and at most 8, a multiple of 4"
    assert 6 not in Range(at_least=4, at_most=8, multiple_of=4) and 8 in Range(at_least=4, at_most=8, multiple_of=4)
    assert math.nan not in Range() and math.inf not in Range() and 10**400 not in Range() and sys.float_info.max in Range()


@dataclass(frozen=True)
class Toy:
    teacher: bool = option(True)
    weight: float = option(0.0, when={"teacher": (True,)})
    temperature: float = option(2.0, unless=({"weight": (0.0,)},))
    regime: str = option("serial", choices=("serial", "parallel"), unless=({"teacher": (False,)},))
    blocks: int = option(20, when={"regime": ("parallel",), "elsewhere": (1,)})
    file: str = option("", unless=({"regime": ("serial",), "temperature": (2.0,)}, {"weight": (7.0,)}))


VALUES = {
    "teacher": st.booleans(),
    "weight": st.sampled_from([0.0, 1.0, 7.0]),
    "temperature": st.sampled_from([2.0, 3.0]),
    "regime": st.sampled_from(["serial", "parallel"]),
    "blocks": st.sampled_from([20, 5]),
    "file": st.sampled_from(["", "x"]),
}


@given(st.builds(Toy, **VALUES), st.data())
def test_what_does_not_count_has_its_default_and_what_counts_is_left(toy: Toy, data: Any) -> None:
    done = settled(toy)
    assert settled(done) == done
    for field in dataclasses.fields(Toy):
        idle = bool(idle_because(done, field.name))
        assert getattr(done, field.name) == (field.default if idle else getattr(toy, field.name))
        if idle:
            assert settled(dataclasses.replace(toy, **{field.name: data.draw(VALUES[field.name])})) == done


def test_why_a_parameter_does_not_count_is_a_setting() -> None:
    assert idle_because(Toy(), "temperature") == {"weight": 0.0}
    assert idle_because(Toy(), "blocks") == {"regime": "serial"}
    assert idle_because(Toy(), "file") == {"regime": "serial", "temperature": 2.0}
    assert idle_because(Toy(weight=7.0, temperature=3.0), "file") == {"weight": 7.0}
    assert idle_because(Toy(weight=1.0), "temperature") == idle_because(Toy(), "teacher") == {}


def test_a_weights_file_counts_but_for_random_weights_and_for_those_that_are_shipped() -> None:
    shipped = {tuple(name.split(".")) for name, known in WEIGHTS.items() if known.shipped}
    backbones = {name.split(".")[0] for name in WEIGHTS}
    for backbone in backbones:
        for weights in ("world", "file", "random", "imagenet1k_v1", "mine"):
            idle = idle_because(ExtractParams(backbone=backbone, weights=weights), "weights_file")
            assert bool(idle) == (weights == "random" or (backbone, weights) in shipped)
    assert idle_because(ExtractParams(), "weights_file")  # "" is the small network of the kind
