"""What is on its way into a store: kept under a temporary name until it is whole and checked, and taken up again after a kill.

An arrival lies in ``tmp/transfer-<digest>.<owner>``. Whoever brings the same thing takes a dead owner's arrival over by renaming it,
which only one can do, and goes on where that one stopped. Nothing in it is believed: every byte is read back from the disk and
digested before the object gets its name.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from cache import addresses, fs, leftovers
from cache.digest import CHUNK, FileEntry, Manifest, digest_file
from cache.errors import StoreError
from cache.leftovers import GIVEN_UP
from cache.locks import Owner
from cache.remote import Check, Remote, Step
from cache.shard import sound_rows
from cache.store import Store, listed

PREFIX = "transfer-"
#: What is written and made durable at a time, in bytes: a kill loses no more.
BLOCK = 32 << 20


def receive_object(store: Store, manifest: Manifest, source: Remote, step: Step) -> None:
    """Bring an object into ``store``. Raises DamageError if the source is damaged; what had arrived is kept for the next time."""
    with _arriving(store, manifest.digest) as temporary:
        files = temporary / "files"
        fs.make_directory(files)
        for entry in manifest.files:
            _receive_file(files / entry.path, entry, manifest.digest, source, step)
        _check_alone(files, manifest)
        fs.remove_file(temporary / "manifest.json")  # of an arrival that was killed at the end
        store.name_object(temporary, manifest)


def receive_file(store: Store, path: str, source: Remote, step: Step, check: Check) -> int:
    """Bring a large file that tells by itself whether it is whole. Raises DamageError if ``check`` refuses it; returns its size."""
    size = source.size(path) or 0
    with _arriving(store, hashlib.sha256(path.encode()).hexdigest()) as temporary:
        file = temporary / Path(path).name
        for start in dict.fromkeys((min(_length(file), size), 0)):
            if start == 0:
                fs.remove_file(file)
            _write(file, source.chunks(path, start), size - start, step)
            _forget_cached(file)
            wrong = check(file)
            if not wrong:
                break
        else:
            fs.remove_file(file)
            raise source.damage(f"{path}: {wrong}")
        file.chmod(0o444)
        fs.fsync_file(file)
        fs.move(file, store.root / path)
    return size


def receive_shard(store: Store, path: str, source: Remote, step: Step) -> int:
    """Bring the rows that are new in a shard; a longer version replaces the shorter one. Returns how many bytes were new."""
    final = store.root / path
    size = source.size(path) or 0
    before = _length(final)
    if size <= before:
        return 0
    with _arriving(store, hashlib.sha256(path.encode()).hexdigest()) as temporary:
        shard = temporary / "shard"
        if _length(shard) < before:
            fs.remove_file(shard)
            _write(shard, _read(final), before, lambda n: None)
        for last in (False, True):
            start = min(_length(shard), size)
            _write(shard, source.chunks(path, start), size - start, step)
            _forget_cached(shard)
            end = sound_rows(shard)
            if end is not None:
                break
            fs.remove_file(shard)  # perhaps only what was here before is damaged: once more, all of it
            if last or start == 0:
                raise source.damage(f"a row of {path} is damaged")
        end = end or 0
        if end > _length(final):
            os.truncate(shard, end)
            fs.fsync_file(shard)
            fs.move(shard, final)
    return max(end - before, 0)


@contextlib.contextmanager
def _arriving(store: Store, digest: str) -> Iterator[Path]:
    """A directory for what arrives, with what an earlier transfer of the same thing left there. Left for the next one after an error."""
    store.prepare()
    temporary = store.root / "tmp" / f"{PREFIX}{digest}.{Owner.me().token}"
    for left in _left(store, digest):
        with contextlib.suppress(FileNotFoundError):  # another transfer was first
            fs.rename(left, temporary)
            break
    if any(path.is_symlink() or not (path.is_file() or path.is_dir()) for path in temporary.rglob("*")):
        fs.remove_tree(temporary)
    fs.make_directory(temporary)
    try:
        yield temporary
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.rename(store.root / "tmp" / f"{PREFIX}{digest}")
        if temporary.exists():
            fs.remove_tree(temporary)
        raise
    fs.remove_tree(temporary)  # only what lost a race, or an emptied one, is still there
    for left in _left(store, digest):
        fs.remove_tree(left)


def _left(store: Store, digest: str) -> Iterator[Path]:
    """Arrivals of ``digest`` that nobody is at work on; any that are given up are removed on the way."""
    for path in sorted(listed(store.root / "tmp")):
        name, _, token = path.name.removeprefix(PREFIX).partition(".")
        if not path.name.startswith(PREFIX) or path.is_symlink() or not path.is_dir():
            continue
        owner = Owner.parse(token)
        if name == digest and (owner is None or leftovers.is_dead(path, owner)) and _is_ours(path):
            yield path
        elif owner is None or owner.dead or not owner.here:
            with contextlib.suppress(FileNotFoundError):  # somebody else was quicker
                _remove_given_up(path, dead=owner is not None and leftovers.is_dead(path, owner))


def _is_ours(path: Path) -> bool:
    """Whether what lies there can be finished here: only its owner may make a file read-only."""
    try:
        return path.stat().st_uid == os.geteuid() and os.access(path, os.W_OK)
    except FileNotFoundError:
        return False


def _remove_given_up(path: Path, *, dead: bool) -> None:
    if time.time() - path.stat().st_mtime > GIVEN_UP or (dead and not any(path.iterdir())):
        fs.remove_tree(path)


def _receive_file(target: Path, entry: FileEntry, oid: str, source: Remote, step: Step) -> None:
    """Bring one file, continuing what is there; if the whole is wrong then, from the beginning."""
    path = f"{addresses.object_directory(oid)}/files/{entry.path}"
    if source.size(path) != entry.size:
        raise source.damage(f"object {oid[:12]} is damaged: {entry.path} is missing or does not have {entry.size} bytes")
    fs.make_directory(target.parent)
    if _length(target) > entry.size:
        fs.remove_file(target)
    for start in dict.fromkeys((_length(target), 0)):
        if start == 0:
            fs.remove_file(target)
        digest = hashlib.sha256()
        for chunk in _read(target) if start else ():
            digest.update(chunk)
        _write(target, source.chunks(path, start), entry.size - start, step, digest)
        if digest.hexdigest() == entry.sha256:
            break
    else:
        fs.remove_file(target)
        raise source.damage(f"object {oid[:12]} is damaged: {entry.path} does not have the digest of its manifest")
    if start < entry.size:
        _forget_cached(target)
        if digest_file(target) != entry.sha256:
            fs.remove_file(target)
            raise StoreError(f"{target} was written, but reads differently", hint="the disk or the network file system fails")


def _write(target: Path, chunks: Iterator[bytes], size: int, step: Step, digest: hashlib._Hash | None = None) -> None:
    """Append at most ``size`` bytes to ``target``, durably block by block."""
    block: list[bytes] = []
    held = 0
    for chunk in chunks if size else ():
        taken = chunk[:size]
        size -= len(taken)
        held += len(taken)
        block.append(taken)
        if digest is not None:
            digest.update(taken)
        if held >= BLOCK or size == 0:
            fs.append(target, b"".join(block))
            step(held)
            block, held = [], 0
        if size == 0:
            break
    if held or not target.exists():
        fs.append(target, b"".join(block))
        step(held)


def _check_alone(files: Path, manifest: Manifest) -> None:
    """What an earlier transfer left must not become part of the object."""
    known = {entry.path for entry in manifest.files}
    known |= {parent.as_posix() for entry in manifest.files for parent in Path(entry.path).parents}
    for path in sorted(files.rglob("*"), reverse=True):
        if path.relative_to(files).as_posix() not in known:
            fs.remove_tree(path) if path.is_dir() else fs.remove_file(path)


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(4 * CHUNK):
            yield chunk


def _forget_cached(path: Path) -> None:
    """Let the next reader see what is on the disk, not what the system remembers of it."""
    if not hasattr(os, "posix_fadvise"):
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
