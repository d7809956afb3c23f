"""What was imported into a store travels with its results: which features of a dataset were, and the files of weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from cache import addresses
from cache.errors import DamageError, DataError, StoreError
from cache.stage import Node
from cache.store import listed, open_sealed
from cache.transfer import Transfer
from pipeline import imports
from pipeline.cli.session import Session


def push_brought(session: Session, transfer: Transfer, nodes: Iterable[Node], *, everything: bool) -> None:
    """Send the list of imported features of the dataset, and the imported weights that ``nodes`` use; or all there are."""
    store, paths = session.store, [imports.path_of(session.store, session.graph.config.dataset)]
    used = {Path(getattr(node.params, "weights_file", "")) for node in nodes}
    if everything:
        paths = [path for path in sorted(listed(store.root / "imports")) if path.suffix == ".json"]
    for path in paths:
        transfer.sealed(f"imports/{path.name}", imports.wrong, replace=True)
    for stem, path in imports.weights(store).items():
        if everything or path in used:
            transfer.file(addresses.weights(stem), _damage)


def pull_brought(session: Session, transfer: Transfer, nodes: Iterable[Node]) -> Session:
    """Fetch the same as far as it is not here; returns the session over the graph that follows. What stands here is kept."""
    verb = "would be pulled" if session.dry_run else "pulled"
    dataset = session.graph.config.dataset
    standing = imports.current(session.store, dataset)
    try:
        came = transfer.sealed(addresses.imports(dataset), imports.wrong)
        if came is not None:
            standing = came["current"]
            told = ", ".join(f"{kind} from {one['file']} (sha256 {one['sha256'][:12]})" for kind, one in standing.items())
            session.options.say(f"imported features of {dataset}: {verb}: {told or 'none stand'}")
        elif (theirs := _standing(transfer, dataset)) is not None and theirs != standing:
            session.options.say(f"other features of {dataset} are imported there; what stands here is kept")
        for node in nodes:
            stem = next((stem for stem in _wanted(node) if transfer.file(addresses.weights(stem), _damage)), None)
            if stem is not None:
                session.options.say(f"imported weights {stem}: {verb}")
    except DamageError as error:
        transfer.moved.damaged.append(str(error))
    return session.over(standing)


def _standing(transfer: Transfer, dataset: str) -> dict[str, imports.Import] | None:
    """What stands in the source."""
    data = transfer.source.read(addresses.imports(dataset))
    try:
        value = open_sealed(data) if data is not None else None
    except ValueError:
        return None
    return value["current"] if value is not None and not imports.wrong(value) else None


def _wanted(node: Node) -> Iterator[str]:
    """Names of the weights that would serve a node which has none yet."""
    params = node.params
    if getattr(params, "weights_file", None) == "" and params.named_weights not in ("", *imports.NO_NAMES):
        for stem in (f"{params.network.name}.{params.named_weights}", params.named_weights):
            try:
                addresses.weights(stem)
            except ValueError:
                continue
            yield stem


def _damage(path: Path) -> str:
    """What is wrong with a file of imported weights, "" if nothing is."""
    from models.backbones.converted import verify

    try:
        verify(path)
    except (DataError, StoreError, OSError) as error:
        return str(error).splitlines()[0].replace(str(path), "the file")
    return ""
