"""Configuration: flat ``section.key: value`` pairs from YAML files and ``--set``, merged over the defaults in the code.

Order, later wins: defaults of the parameter records, ``configs/systems/<system>.yaml``, ``configs/datasets/<dataset>.yaml``,
``configs/systems/<system>.<dataset>.yaml`` (the system's recipe for the dataset), ``kdpipe.local.yaml`` in the checkout, ``--set``. A key
may be meant for one system alone (``videoqa.teacher.epochs``). A key of a wider section holds in the narrower ones: one of ``extract`` in
``extract.motion``, one of ``train`` in ``teacher`` and ``student`` (of records that say so, :class:`cache.stage.Config`), unless the
narrower one sets it as late or later. A key that nobody asked for is an error that names the nearest known ones. Files hold defaults:
what cannot matter under the other settings (``weights_file`` of shipped weights, ``kd_alpha`` of a student without a teacher) is passed
over there; typed, it is an error.

``kdpipe.local.yaml`` may also say where datasets lie (:mod:`pipeline.roots`); ``--data-root`` and ``DATA_ROOT`` come before that.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from cache.errors import ConfigError, nearest
from cache.option import idle_because, option, settled
from pipeline import paths
from pipeline.checked import Value, checked, shown
from pipeline.declared import declared
from pipeline.flat_yaml import read_lines, read_value
from pipeline.roots import take_roots

P = TypeVar("P")

#: Where what is typed comes from.
TYPED = "--set"


@dataclasses.dataclass(frozen=True)
class General:
    """Keys that belong to no stage."""

    layout: str = option("msvd-qa", "the layout of the dataset's files")
    source: str = option("files", "under DATA_ROOT, or drawn into the store", choices=("files", "world"))
    seeds: int = option(3, "how many seeds stochastic stages run with", at_least=1, at_most=1000)
    first_seed: int = option(0, "the first of them", at_least=0, at_most=2**31)
    imports: str = option("use", "features that were imported; 'ignore' computes them", choices=("use", "ignore"))


GENERAL = {field.name: field for field in dataclasses.fields(General)}


def names(kind: str) -> list[str]:
    """Names of the configs of a kind: ``"datasets"`` or ``"systems"``; recipes of a system for a dataset are none."""
    return sorted(path.stem for path in (paths.CONFIGS / kind).glob("*.yaml") if "." not in path.stem)


def local_file() -> dict[str, Value]:
    """What stands in ``kdpipe.local.yaml`` in the workplace, if there is one."""
    path = paths.local_config()
    return _read(path) if path.exists() or path.is_symlink() else {}


def named(name: str, lines: Mapping[str, Value]) -> str:
    """The dataset or system that a config names (``dataset: NAME``); "" if it names none. Raises ConfigError for what is no name."""
    value = checked(lines[name], str, name, {}) if name in lines else ""
    if name in lines and not value:
        raise ConfigError(f"{lines[name].origin}: {name} is empty", hint="name one, or leave the line out")
    return str(value)


def shown_on(system: str) -> str:
    """The dataset that a system's config names as its own, for when none is named. Raises ConfigError if there is none."""
    dataset = named("dataset", _read(_config_file("system", system)))
    if not dataset:
        raise ConfigError(f"no dataset is named, and {system} has none of its own", hint=f"--dataset; {nearest('', names('datasets'))}")
    return dataset


def _config_file(kind: str, name: str) -> Path:
    """The config of a dataset or a system. Raises ConfigError for one that there is not."""
    known = names(f"{kind}s")
    if name not in known:
        raise ConfigError(f"unknown {kind} {shown(name)}", hint=nearest(name, known))
    return paths.CONFIGS / f"{kind}s" / f"{name}.yaml"


def _read(path: Path) -> dict[str, Value]:
    """The lines of a config; its place is named as in the checkout."""
    place = path.relative_to(paths.PROJECT) if path.is_relative_to(paths.PROJECT) else path
    return {key: Value(value, f"{place}, line {line}") for key, (value, line) in read_lines(path).items()}


def parse_setting(text: str) -> tuple[str, Value]:
    """``"student.kd_alpha=2"`` -> ``"student.kd_alpha"`` and 2; a value is read as it would be in a file."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"{TYPED} {shown(text)}: expected key=value", hint="for example --set student.kd_alpha=2")
    try:
        return key.strip(), Value(read_value(value), TYPED)
    except ValueError as error:
        raise ConfigError(f"{TYPED} {shown(text)}: {error}") from error


class Config:
    """The merged configuration of one dataset x system."""

    def __init__(
        self,
        dataset: str,
        system: str,
        settings: Iterable[str] = (),
        *,
        root: Path | None = None,
        imports: Mapping[str, Mapping[str, Any]] | None = None,
        weights: Mapping[str, Path] | None = None,
    ) -> None:
        self.dataset = dataset
        self.system = system
        self.root = root or paths.data_root()
        self._imports = imports or {}
        self._weights = weights or {}
        self._values: dict[str, Value] = {}
        self._open: set[str] = set(GENERAL)  # keys that can be set
        self._fixed: set[str] = set()  # keys that the graph decides, somewhere
        self._uses: dict[str, dict[str, str]] = {}  # key that is set -> section that it holds in -> why it does not matter there
        self._sections: set[str] = set()
        layers = [_read(_config_file("system", system)), _read(_config_file("dataset", dataset))]
        recipe = paths.CONFIGS / "systems" / f"{system}.{dataset}.yaml"
        layers += [_read(recipe)] if recipe.exists() else []
        layers[0].pop("dataset", None)  # what the system is shown on if no dataset is named: shown_on
        mine = {key: value for key, value in local_file().items() if key not in ("dataset", f"{system}.dataset", "system")}
        roots = take_roots(mine, paths.workplace(), names("datasets"))
        self.root = self.root or roots.get(dataset)
        layers.append(mine)
        layers.append(dict(parse_setting(text) for text in settings))
        others = [name for name in names("systems") if name != system]
        for layer, values in enumerate(layers):
            self._merge(layer, values, others)

    def _merge(self, layer: int, values: Mapping[str, Value], others: list[str]) -> None:
        for key, value in values.items():
            owner, _, rest = key.partition(".")
            if owner in others and rest:
                if value.origin == TYPED:
                    raise ConfigError(f"{TYPED}: {key} is meant for {owner}, and this is {self.system}", hint="leave it out")
                continue
            self._values[rest if owner == self.system and rest else key] = dataclasses.replace(value, layer=layer)

    def general(self, name: str) -> Any:
        """A key that belongs to no stage, such as ``layout``."""
        found = self._values.get(name)
        if found is None:
            return GENERAL[name].default
        return checked(found, _kinds(General)[name], name, GENERAL[name].metadata)

    @property
    def imports(self) -> Mapping[str, Mapping[str, Any]]:
        """Kind of features -> the import to use instead of computing (:mod:`pipeline.imports`); none with ``imports: ignore``."""
        return self._imports if self.general("imports") == "use" else {}

    def imported_weights(self, backbone: str, name: str) -> str:
        """The file of imported weights that ``name`` of ``backbone`` means, by the published name or by its own; "" if there is none."""
        found = [self._weights[stem] for stem in (f"{backbone}.{name}", name) if stem in self._weights]
        return str(found[0]) if found else ""

    @property
    def seeds(self) -> list[int]:
        """The seeds that stochastic stages are run with."""
        first = int(self.general("first_seed"))
        return list(range(first, first + int(self.general("seeds"))))

    def params(self, section: str, cls: type[P], *, idle: Mapping[str, str] | None = None, **fixed: Any) -> P:
        """Build the parameter record of a section; keyword arguments are decided by the graph and win.

        A parameter that cannot matter under the others has its default (:func:`cache.option.settled`); so has one of ``idle``, which
        says why it cannot matter in this graph.
        """
        fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        kinds, idle = _kinds(cls), idle or {}  # type: ignore[arg-type]
        self._sections.add(section)
        values: dict[str, Any] = {}
        chosen: dict[str, list[str]] = {}  # parameter -> the keys that set it, the one that wins last
        prefixes = _prefixes(section, getattr(cls, "falls_back_to", ""))
        for name in fields:
            keys = [f"{prefix}.{name}" for prefix in prefixes]
            (self._fixed if name in fixed else self._open).update(keys)
            found = [key for key in keys if key in self._values]
            if found and name not in fixed:
                chosen[name] = sorted(found, key=lambda key: self._values[key].layer)
                key = chosen[name][-1]
                value = checked(self._values[key], kinds[name], key, fields[name].metadata)
                if name not in idle:
                    values[name] = value
        for name, value in fixed.items():  # what the graph decides may come from a key that belongs to no stage, such as layout
            if fields[name].metadata.get("choices"):
                origin = self._values[name].origin if name in self._values else section
                checked(Value(value, origin), kinds[name], name, fields[name].metadata)
        record = settled(cls(**{**values, **fixed}), keep=tuple(fixed))
        for name, field in fields.items():
            other = field.metadata.get("no_more_than")
            if other and getattr(record, name) > getattr(record, other) and not idle_because(record, name):
                what = f"{section}: {name} = {getattr(record, name)} is more than {other} = {getattr(record, other)}"
                raise ConfigError(what, hint=f"--set {section}.{other}=... or {name} changes that")
        for name, keys in chosen.items():
            why = idle.get(name) or _because(section, record, name)
            for key in keys:
                self._uses.setdefault(key, {})[section] = why if key == keys[-1] else f"{keys[-1]} is set too"
        return record

    @property
    def keys(self) -> set[str]:
        """Every key that a section has asked for, those that the graph decides among them."""
        return self._open | self._fixed

    def graph(self, cls: type[P]) -> P:
        """The record of the section ``graph``, which decides which nodes there are: whatever is typed there matters."""
        return self.params("graph", cls)

    def section(self, node: str) -> str:
        """The section that a node's parameters are set in: ``teacher`` for ``teacher.s0``; the stage, if none is known."""
        return max((s for s in self._sections if f"{node}.".startswith(f"{s}.")), key=len, default=node.partition(".")[0])

    def decided(self, section: str, name: str) -> bool:
        """Whether the graph decides a parameter of a section, so that nobody can set it."""
        return f"{section}.{name}" in self._fixed

    def check(self, nodes: Iterable[str]) -> None:
        """Raise ConfigError for a configured key that no section has asked for or that the graph decides, and for what is typed and
        matters to none of the graph's ``nodes``. Files hold defaults for many graphs: there it is left out.
        """
        alive = {"graph", *(self.section(node) for node in nodes)}
        for key, value in self._values.items():
            if key in GENERAL:
                self.general(key)
            elif key not in self.keys and not self._is_of_another_stage(key):
                hint = nearest(key, self._open, most=3)
                if value.origin != TYPED:
                    others = " or ".join(f"{name}.KEY" for name in names("systems") if name != self.system)
                    hint += f"\n  a key of another system begins with that system's name in a file: {others}"
                raise ConfigError(f"{value.origin}: unknown key {shown(key)}", hint=hint)
            elif key in self._fixed and key not in self._uses:
                raise ConfigError(f"{value.origin}: {key} is decided by the graph", hint="keys of their own: " + ", ".join(GENERAL))
            elif value.origin == TYPED:
                self._check_matters(key, {section: why for section, why in self._uses.get(key, {}).items() if section in alive})

    def _is_of_another_stage(self, key: str) -> bool:
        """Whether it is a key of a shared stage that this graph does not have, or of a kind of one that it does not have."""
        name, _, rest = key.partition(".")
        kind, _, parameter = rest.rpartition(".")
        stage = declared("stages").get(name)
        fields = {f.name: f for f in dataclasses.fields(stage.params)} if stage is not None else {}
        if parameter not in fields or f"{name}.{kind}" in self._sections:
            return False
        kinds = fields["kind"].metadata["choices"] if "kind" in fields else ()
        return kind in kinds or not any(section.partition(".")[0] == name for section in self._sections)

    def _check_matters(self, key: str, uses: Mapping[str, str]) -> None:
        if not uses:
            hint = f"leave it out; {self.system} on {self.dataset} has no stage that reads it"
            raise ConfigError(f"{TYPED}: {key} can change nothing here", hint=hint)
        if all(uses.values()):
            raise ConfigError(
                f"{TYPED}: {key} can change nothing: {'; '.join(sorted(set(uses.values())))}", hint="leave it out, or change that"
            )


@functools.cache
def _kinds(record: type) -> dict[str, Any]:
    return typing.get_type_hints(record)


def _prefixes(section: str, wider: str) -> list[str]:
    """The sections whose keys hold in ``section``, the widest first: ``train``, ``student`` and ``student.kd`` in the last of them."""
    parts = section.split(".")
    return [*([wider] if wider else []), *(".".join(parts[: n + 1]) for n in range(len(parts)))]


def _because(section: str, record: Any, name: str) -> str:
    """Why a parameter cannot matter, "" if it does."""
    return " and ".join(f"{section}.{other} is {shown(value)}" for other, value in idle_because(record, name).items())
