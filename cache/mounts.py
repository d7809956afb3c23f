"""How far the stamps of a file (inode, size, times) can be believed: only so far is its digest remembered (:mod:`cache.memo`).

A stamp tells that a file changed if the file system itself sets the time of change, at the moment of the change. Local Linux file
systems do. An image (squashfs, erofs, iso9660, or any file system that was built rather than written) carries times that its maker
chose: the next release of the image may have the same ones. The files of an image cannot change while it is mounted, so their
digests are remembered for just this mount, by a number that the kernel gives no second time. What a program behind the mount answers
(FUSE, 9p, virtiofs, cifs), or what is not listed here, proves nothing, and is read each time.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cache import machine

#: They set the time of a change themselves and keep an inode's number; of NFS, its server does.
HONEST = frozenset({"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "nfs", "nfs4", "tmpfs", "xfs", "zfs"})
#: What they show while they are mounted changes not at all, or through a file system that is honest (overlay's upper layer).
IMAGES = frozenset({"cramfs", "erofs", "iso9660", "overlay", "romfs", "squashfs", "udf"})
#: Devices whose content is a file or comes from elsewhere: an image, also where its file system is an honest one.
IMAGE_DEVICES = ("/dev/loop", "/dev/nbd")
#: Kinds of file systems, separated by commas, that the user vouches for: ``KDPIPE_TRUST=lustre,fuse.sshfs``.
VOUCHED = "KDPIPE_TRUST"
#: Stamps of a change at a whole second: a tool that builds images wrote it, or the file system counts too coarsely to tell changes apart.
SECOND_NS = 1_000_000_000

TABLE = Path("/proc/self/mountinfo")


@dataclass(frozen=True)
class Mount:
    """A file system as it is mounted: its kind ("ext4", "fuse.sshfs"), the device or server, and whether all of it is read-only."""

    kind: str
    source: str
    read_only: bool


UNKNOWN = Mount("unknown", "", False)


@dataclass(frozen=True)
class Bond:
    """What a remembered stamp holds for. ``name`` goes into the memory with it; an empty one says that nothing may be remembered.

    ``lasting``: for this machine, whatever is mounted when; the time of change must then be finer than a second unless ``vouched``.
    """

    name: str = ""
    lasting: bool = False
    vouched: bool = False

    def holds(self, changed_ns: int) -> bool:
        """Whether a file whose time of change is this may be remembered."""
        return bool(self.name) and (not self.lasting or self.vouched or changed_ns % SECOND_NS != 0)


def bond(path: Path) -> Bond:
    """The bond of the file system that holds ``path``. Raises OSError if ``path`` is not there."""
    mount = mount_of(path)
    vouched = mount.kind in os.environ.get(VOUCHED, "").split(",")
    built = mount.kind in IMAGES or mount.source.startswith(IMAGE_DEVICES) or (mount.read_only and not mount.kind.startswith("nfs"))
    if vouched or (mount.kind in HONEST and not built):
        return Bond(machine.machine(), lasting=True, vouched=vouched)
    number = mount_number(path) if mount.kind in HONEST | IMAGES else None
    return Bond() if number is None else Bond(_short(f"{machine.boot_id()} {number}"))


def mount_of(path: Path) -> Mount:
    """How the file system that holds ``path`` is mounted; :data:`UNKNOWN` where the system does not say."""
    if not TABLE.exists():
        return UNKNOWN
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines()
    finally:
        os.close(descriptor)
    number = next((line.split()[1] for line in lines if line.startswith("mnt_id:")), "")
    return parse(TABLE.read_text(errors="surrogateescape")).get(number, UNKNOWN)


def parse(table: str) -> dict[str, Mount]:
    """Mounts by their numbers, of a table in the form of ``/proc/self/mountinfo`` (see proc(5))."""
    found = {}
    for line in table.splitlines():
        head, _, tail = line.partition(" - ")
        kind, source, options = (*tail.split(" "), "", "", "")[:3]
        found[head.split(" ")[0]] = Mount(kind, source, "ro" in options.split(","))
    return found


def mount_number(path: Path) -> int | None:
    """The number of the mount that holds ``path``, which no other mount gets before the machine starts anew; None before Linux 6.8."""
    import ctypes  # not for the verbs that only look at honest file systems

    wanted, answer = 0x4000, ctypes.create_string_buffer(256)  # STATX_MNT_ID_UNIQUE, struct statx
    try:
        failed = ctypes.CDLL(None).statx(-100, os.fsencode(path), 0, wanted, answer)
    except AttributeError:
        return None
    return None if failed or not int.from_bytes(answer.raw[:4], "little") & wanted else int.from_bytes(answer.raw[144:152], "little")


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
