"""Configuration: flat ``section.key: value`` pairs from YAML files and ``--set``, merged over the defaults in the code.

Order, later wins: defaults of the parameter records, ``configs/systems/<system>.yaml``, ``configs/datasets/<dataset>.yaml``,
``kdpipe.local.yaml`` in the checkout, ``--set``. A key may be meant for one system alone (``videoqa.teacher.epochs``). In
the section ``extract.motion`` a key of ``extract`` holds too, unless ``extract.motion`` sets it as late or later. A key that
nobody asked for is an error that names the nearest known one.

``kdpipe.local.yaml`` may also say where datasets lie (:mod:`pipeline.roots`); ``--data-root`` and ``DATA_ROOT`` come before that.
"""

from __future__ import annotations

import contextlib
import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from cache.errors import ConfigError, nearest
from pipeline import paths
from pipeline.roots import take_roots

P = TypeVar("P")

#: Keys that belong to no stage: name -> (type, default).
GENERAL: dict[str, tuple[type, Any]] = {
    "layout": (str, "msvd-qa"),
    "source": (str, "files"),
    "seeds": (int, 3),
    "first_seed": (int, 0),
    "imports": (str, "use"),
}


@dataclasses.dataclass(frozen=True)
class Value:
    """A configured value, where it comes from (for messages), and how late that comes."""

    value: Any
    origin: str
    layer: int = 0


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML without aliases (no bombs), with duplicate keys refused."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed here")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            if key in seen:
                raise yaml.YAMLError(f"key '{key}' stands twice (line {key_node.start_mark.line + 1})")
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a flat YAML mapping. Raises ConfigError naming the file and the line."""
    try:
        loaded = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)
    except FileNotFoundError as error:
        raise ConfigError(f"there is no config {path}") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: nested too deeply; expected 'key: value' lines") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise ConfigError(f"{path}: expected 'key: value' lines")
    for key, value in loaded.items():
        if not isinstance(key, str) or isinstance(value, dict):
            raise ConfigError(f"{path}: '{key}' must be a flat 'section.key: value' line")
    return loaded


def names(kind: str) -> list[str]:
    """Names of the configs of a kind: ``"datasets"`` or ``"systems"``."""
    return sorted(path.stem for path in (paths.CONFIGS / kind).glob("*.yaml"))


def shown_on(system: str) -> str:
    """The dataset that a system's config names as its own (``dataset: NAME``), for when none is named; "" if it names none."""
    path = paths.CONFIGS / "systems" / f"{system}.yaml"
    return str(read_yaml(path).get("dataset") or "") if path.is_file() else ""


def parse_setting(text: str) -> tuple[str, Any]:
    """``"student.kd_alpha=2"`` -> ``("student.kd_alpha", 2)``; values are read as YAML scalars."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {text!r}: expected key=value", hint="for example --set student.kd_alpha=2")
    try:
        return key.strip(), yaml.load(value, Loader=_UniqueKeyLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"--set {text[:80]!r}: {error}") from error


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
        self._asked: set[str] = set()
        self._used: set[str] = set()
        known_systems = names("systems")
        if system not in known_systems:
            raise ConfigError(f"unknown system '{system}'", hint=nearest(system, known_systems))
        if dataset not in names("datasets"):
            raise ConfigError(f"unknown dataset '{dataset}'", hint=nearest(dataset, names("datasets")))
        files = [paths.CONFIGS / "systems" / f"{system}.yaml", paths.CONFIGS / "datasets" / f"{dataset}.yaml"]
        local = paths.PROJECT / "kdpipe.local.yaml"
        layers = [(str(f.relative_to(paths.PROJECT)), read_yaml(f)) for f in files]
        layers[0][1].pop("dataset", None)  # what the system is shown on if no dataset is named: shown_on
        if local.exists():
            mine = {k: v for k, v in read_yaml(local).items() if k not in ("dataset", "system")}
            roots = take_roots(mine, local, names("datasets"))
            self.root = self.root or roots.get(dataset)
            layers.append((local.name, mine))
        layers.append(("--set", dict(parse_setting(text) for text in settings)))
        for layer, (origin, values) in enumerate(layers):
            self._merge(layer, origin, values, [name for name in known_systems if name != system])

    def _merge(self, layer: int, origin: str, values: Mapping[str, Any], others: list[str]) -> None:
        for key, value in values.items():
            owner, _, rest = key.partition(".")
            if owner in others and rest:
                continue  # meant for another system
            self._values[rest if owner == self.system and rest else key] = Value(value, origin, layer)

    def general(self, name: str) -> Any:
        """A key that belongs to no stage, such as ``layout``."""
        kind, default = GENERAL[name]
        self._asked.add(name)
        self._used.add(name)
        found = self._values.get(name)
        return default if found is None else _coerce(found, kind, name)

    @property
    def imports(self) -> Mapping[str, Mapping[str, Any]]:
        """Kind of features -> the import to use instead of computing (:mod:`pipeline.imports`); none with ``imports: ignore``."""
        wanted = self.general("imports")
        if wanted not in ("use", "ignore"):
            raise ConfigError(f"imports: {wanted!r} must be 'use' (features that were imported) or 'ignore' (compute them)")
        return self._imports if wanted == "use" else {}

    def imported_weights(self, backbone: str, name: str) -> str:
        """The file of imported weights that ``name`` of ``backbone`` means, by the published name or by its own; "" if there is none."""
        found = [self._weights[stem] for stem in (f"{backbone}.{name}", name) if stem in self._weights]
        return str(found[0]) if found else ""

    @property
    def seeds(self) -> list[int]:
        """The seeds that stochastic stages are run with."""
        first = int(self.general("first_seed"))
        return list(range(first, first + int(self.general("seeds"))))

    def params(self, section: str, cls: type[P], **fixed: Any) -> P:
        """Build the parameter record of a section; keyword arguments are decided by the graph and win."""
        fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        kinds = typing.get_type_hints(cls)
        values: dict[str, Any] = {}
        prefixes = [".".join(section.split(".")[: n + 1]) for n in range(section.count(".") + 1)]
        for name in fields:
            keys = [f"{prefix}.{name}" for prefix in prefixes]
            self._asked.update(keys)
            found = [(value.layer, n) for n, key in enumerate(keys) if (value := self._values.get(key)) is not None]
            if not found or name in fixed:
                continue
            self._used.update(keys[n] for _, n in found)
            key = keys[max(found)[1]]
            values[name] = _coerce(self._values[key], kinds[name], key, fields[name].metadata.get("choices", ()))
        for name, value in fixed.items():  # what the graph decides may come from a key that belongs to no stage, such as layout
            if choices := fields[name].metadata.get("choices", ()):
                origin = self._values[name].origin if name in self._values else section
                _coerce(Value(value, origin), kinds[name], name, choices)
        return cls(**{**values, **fixed})

    def check_all_known(self) -> None:
        """Raise ConfigError for a configured key that no section of the graph has asked for, or that it decides itself."""
        for key, value in self._values.items():
            if key not in self._asked:
                known = self._asked | set(GENERAL)
                raise ConfigError(f"{value.origin}: unknown key '{key}'", hint=nearest(key, known))
            if key not in self._used:
                raise ConfigError(f"{value.origin}: {key} is decided by the graph", hint="keys of their own: " + ", ".join(GENERAL))


def _coerce(found: Value, kind: Any, name: str, choices: tuple[Any, ...] = ()) -> Any:
    """Check a configured value against the type of its field; an int is a float where one is wanted, a list a tuple."""
    value = found.value
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        for option in typing.get_args(kind):
            if option is type(None):
                if value is None:
                    return None
                continue
            try:
                return _coerce(found, option, name, choices)
            except ConfigError:
                continue
        raise ConfigError(f"{found.origin}: {name} = {value!r} is not of type {kind}")
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{found.origin}: {name} = {value!r} must be a list")
        inner = typing.get_args(kind)[0]
        return tuple(_coerce(Value(v, found.origin), inner, name) for v in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if kind is float and isinstance(value, str):
        with contextlib.suppress(ValueError):  # YAML reads 1e-4 as text
            value = float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ConfigError(f"{found.origin}: {name} = {value!r} must be of type {kind.__name__}, not {type(value).__name__}")
    if choices and value not in choices:
        raise ConfigError(
            f"{found.origin}: {name} = {value!r} is not one of {', '.join(map(str, choices))}", hint=nearest(str(value), map(str, choices))
        )
    return value
