"""What stages need beside their inputs: said before the videos are decoded, not hours later."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

from cache.errors import ConfigError
from cache.option import idle_because
from cache.stage import Node
from pipeline.device import device_class, require_device
from pipeline.graph import check_index, check_possible, checks_index
from pipeline.installed import installed
from pipeline.judge import FRESH, Judge

#: The end of the name of a node that there is one of for each seed; no key has it.
SEED = re.compile(r"\.s\d+$")
#: Parameter -> its values that need a package which kdpipe does not bring, that package, and the extra that brings it.
EXTRAS = {
    "runtime": {"openvino": ("openvino", "openvino")},
    "decode": {"torchcodec": ("torchcodec", "torchcodec"), "torchcodec-cuda": ("torchcodec", "torchcodec")},
    "resampler": {"soxr": ("soxr", "audio")},
}


def require_possible(judge: Judge, names: Iterable[str]) -> None:
    """Raise ConfigError for settings of the nodes and of all that they read which can go together on no machine and with no data."""
    nodes = {node.name: node for node in judge.graph.closure(names)}
    for node in nodes.values():
        found = getattr(node.params, "conflict", None)
        if found is not None:
            section = judge.graph.config.section(node.name)
            raise ConfigError(f"{section}: {found[0]}", hint=found[1].replace("{section}", section))
    check_possible(judge.system, nodes)


def require_allowed(judge: Judge, names: Iterable[str]) -> None:
    """Raise an error of ours for settings of what would run of the nodes that the dataset does not allow, if its index is there."""
    graph = judge.graph
    if not checks_index(judge.system) or "index" not in graph.nodes or judge.state("index").status != FRESH:
        return
    nodes = {name: graph.nodes[name] for name in names if judge.state(name).status != FRESH}
    record = judge.state("index").record
    if nodes and record is not None:
        check_index(judge.system, nodes, judge.store.files(record))


def require_files(judge: Judge, names: Iterable[str]) -> None:
    """Raise an error of ours for a device that is not here, for settings that are not possible (:func:`require_possible`) or not allowed
    (:func:`require_allowed`), or for the first node that would run and lacks something (:func:`lacking`)."""
    require_device(judge.device)
    names = list(names)
    require_possible(judge, names)
    require_allowed(judge, names)
    for name in names:
        node = judge.graph.nodes[name]
        if judge.state(name).status != FRESH:
            judge.files(node)
            found = lacking(node) or _missing_instructions(node, judge.device) or _missing_for_lean(node, judge.device)
            if found is not None:
                raise ConfigError(found[0], hint=found[1])


def lacking(node: Node) -> tuple[str, str] | None:
    """What to say and to type if a node names no file where it needs one, or means weights or a package that are not here."""
    return _missing_package(node) or _missing_compiler(node) or _missing_vectors(node) or missing_weights(node) or _missing_people(node)


def _missing_package(node: Node) -> tuple[str, str] | None:
    for name, values in EXTRAS.items():
        value = getattr(node.params, name, "")
        package, extra = values.get(value, ("", ""))
        if package and find_spec(package) is None and not idle_because(node.params, name):
            return f"{node.name}.{name}={value} needs {package}, which is not installed", f"pip install 'kdpipe[{extra}]'"
    for library, version in installed(node.declared("libraries")).items():
        if not version:
            return f"{node.name} needs {library}, which is not installed", f"pip install {library}"
    return None


def _missing_compiler(node: Node) -> tuple[str, str] | None:
    if getattr(node.params, "runtime", "") != "winograd":
        return None
    from models.inference.runtimes.native import compiler

    if compiler():
        return None
    hint = "apt install gcc, or CC=/path/to/one; runtime=eager, the default, needs none"
    return f"{node.name}.runtime=winograd needs a C compiler, and there is none", hint


def _missing_instructions(node: Node, device: str) -> tuple[str, str] | None:
    """What the processor, or the runtime, cannot do in the precision that is asked for."""
    precision, runtime = getattr(node.params, "precision", ""), getattr(node.params, "runtime", "")
    if not runtime or idle_because(node.params, "precision"):
        return None
    from models.inference.instructions import HINT, lacks
    from models.inference.runtimes import INT8, RUNTIMES_IN_INT8

    found = lacks(precision, device_class(device))
    if found:
        return f"{node.name}.precision={precision}: {found}", HINT
    if precision == INT8 and (runtime not in RUNTIMES_IN_INT8 or device_class(device) != "cpu"):
        hint = f"--set {node.name}.runtime={RUNTIMES_IN_INT8[0]} --device cpu"
        return f"{node.name}.precision={precision}: runtime={runtime} does not compute in int8 on {device}", hint
    return None


def _missing_for_lean(node: Node, device: str) -> tuple[str, str] | None:
    """What a trunk lacks that shall learn in its lean form: on a CPU it is made of C."""
    params: Any = node.params
    if getattr(params, "step", "") != "lean" or idle_because(params, "step") or device_class(device) != "cpu":
        return None
    from models.training.lean import lacks

    found = lacks()
    if not found:
        return None
    section = getattr(params, "falls_back_to", SEED.sub("", node.name))
    hint = f"--set {section}.step=plain computes everywhere, in twice the time"
    return f"{node.name}.step=lean cannot be used here: {found}", f"apt install gcc, or {hint}" if "compiler" in found else hint


def _missing_vectors(node: Node) -> tuple[str, str] | None:
    params: Any = node.params
    if getattr(params, "glove", "") != "file" or params.glove_file:
        return None
    return f"{node.name}.glove=file names no file of word vectors", f"--set {node.name}.glove_file=PATH/glove.840B.300d.txt"


def _missing_people(node: Node) -> tuple[str, str] | None:
    if getattr(node.params, "expert", "") == "results" and not node.params.results_file:
        return f"{node.name}.expert=results names no file of poses", f"--set {node.name}.results_file=PATH/results.zip"
    known = getattr(node.params, "finder", None)
    if known is None or node.params.detector_weights_file:
        return None
    hint = f"fetch {known.file} from {known.source}, then --set {node.name}.detector_weights_file=PATH   (or detector=whole)"
    return f"{node.name} needs the weights of its detector, {known.backbone}, and no file of them is named", hint


def missing_weights(node: Node) -> tuple[str, str] | None:
    """The same of the weights alone: neither shipped nor imported, and no file of them is named."""
    params: Any = node.params
    file = getattr(params, "weights_file", None)
    if file is None or params.named_weights in ("", "random") or (file and params.named_weights != "world"):
        return None
    from models.weights import entry_of

    setting = f"--set {SEED.sub('', node.name)}.weights_file=PATH"
    if params.named_weights == "file":
        return "weights=file names no file", setting
    try:
        known = entry_of(params.published, params.network.name, params.named_weights)
    except ConfigError as error:
        return error.message, f"{error.hint}   (weights of your own: kdpipe weights import FILE --as {params.named_weights})"
    if known.shipped:
        return None
    hint = f"fetch {known.file} from {known.source}, then: kdpipe weights import {known.file}   (or {setting})"
    return f"{known.name} is not shipped, and was not imported: {node.name} needs it", hint
