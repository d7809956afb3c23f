"""What the stamps of a file system are believed for: images that were built, mounts that answer as they like, other machines."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cache import machine, memo, mounts
from cache.digest import digest_file
from cache.listing import Listing, ListingMemo
from cache.memo import DigestMemo
from cache.mounts import Bond, Mount

TABLE = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
31 27 0:40 / /data\\040of\\040ours ro,nosuid shared:5 master:1 - fuse.sshfs host:/data rw,user_id=0
32 27 7:0 / /images rw,relatime - squashfs /dev/loop0 ro,errors=continue
"""
#: A change at a whole second, as image builders write it, and one that a clock set.
BUILT, CLOCKED = 1_000_000_000 * 10**9, 1_000_000_000 * 10**9 + 123_456_789


def test_a_table_of_mounts_gives_kind_source_and_whether_all_is_read_only() -> None:
    assert mounts.parse(TABLE) == {
        "27": Mount("ext4", "/dev/vda", False),
        "31": Mount("fuse.sshfs", "host:/data", False),
        "32": Mount("squashfs", "/dev/loop0", True),
    }


def mounted(monkeypatch: pytest.MonkeyPatch, mount: Mount, number: int | None = 1) -> Bond:
    monkeypatch.setattr(mounts, "mount_of", lambda path: mount)
    monkeypatch.setattr(mounts, "mount_number", lambda path: number)
    return mounts.bond(Path("/"))


@pytest.mark.parametrize("kind", sorted(mounts.HONEST))
def test_honest_file_systems_are_remembered_whatever_is_mounted_when(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    first, later = (mounted(monkeypatch, Mount(kind, "/dev/sda1", False), number) for number in (1, 2))
    assert first == later and first.lasting and first.holds(CLOCKED)


@pytest.mark.parametrize(
    "mount",
    [
        *(Mount(kind, "/dev/sr0", True) for kind in sorted(mounts.IMAGES)),
        Mount("ext4", "/dev/loop0", False),
        Mount("xfs", "/dev/nbd3", False),
        Mount("ext4", "/dev/sdb", True),
        Mount("overlay", "overlay", False),
    ],
)
def test_images_are_remembered_for_one_mount_only(monkeypatch: pytest.MonkeyPatch, mount: Mount) -> None:
    first, later, unknown = (mounted(monkeypatch, mount, number) for number in (1, 2, None))
    assert first.holds(BUILT) and later.holds(BUILT) and first.name != later.name
    assert not unknown.name
    monkeypatch.setattr(machine, "boot_id", lambda: "after a restart")
    assert mounted(monkeypatch, mount, 1).name not in (first.name, later.name)


@pytest.mark.parametrize("kind", ["fuse.squashfuse", "fuse.sshfs", "fuseblk", "9p", "virtiofs", "cifs", "vfat", "lustre", "unknown"])
def test_nothing_is_remembered_of_what_is_not_known_to_be_honest(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    assert mounted(monkeypatch, Mount(kind, "somewhere", False)) == Bond()


def test_the_user_can_vouch_for_a_kind_of_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDPIPE_TRUST", "lustre,fuse.sshfs")
    assert mounted(monkeypatch, Mount("lustre", "mds:/fs", False)).holds(BUILT)
    assert mounted(monkeypatch, Mount("fuse.other", "", False)) == Bond()


def test_where_the_system_tells_nothing_of_mounts_nothing_is_remembered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(mounts, "TABLE", tmp_path / "none")
    assert mounts.bond(tmp_path) == Bond()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file whose stamps say nothing of its content: changed long ago, for ever the same."""
    path = tmp_path / "labels.csv"
    path.write_text("one")
    lasting(monkeypatch)
    stamps(monkeypatch, CLOCKED)
    return path


def stamps(monkeypatch: pytest.MonkeyPatch, changed: int) -> None:
    monkeypatch.setattr(memo, "stamp", lambda path: (1792, 1, 3, BUILT, changed))


def lasting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "bond", lambda path: Bond(machine.machine(), lasting=True))


def remembered(log: Path, path: Path) -> bool:
    """Whether new content under old stamps is taken for the old."""
    path.write_text("one")
    DigestMemo(log).digest(path)
    path.write_text("two")
    return DigestMemo(log).digest(path) != digest_file(path)


def test_the_next_release_of_an_image_is_read(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "memo"
    assert remembered(log, file)  # what happens where stamps are believed that should not be
    for number in (1, 2):
        monkeypatch.setattr(mounts, "bond", lambda path, number=number: Bond(f"mount {number}"))
        file.write_text(f"v{number}")
        assert DigestMemo(log).digest(file) == digest_file(file)
        assert DigestMemo(log).known(file) == digest_file(file)


def test_where_stamps_prove_nothing_every_digest_is_read(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "bond", lambda path: Bond())
    assert not remembered(tmp_path / "memo", file)
    assert not (tmp_path / "memo").exists()


def test_a_time_of_change_that_no_clock_gave_is_not_believed(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stamps(monkeypatch, BUILT)
    assert not remembered(tmp_path / "memo", file)


def test_two_machines_do_not_share_what_they_remember(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    DigestMemo(tmp_path / "memo").digest(file)
    monkeypatch.setattr(machine, "machine", lambda: "another")
    assert DigestMemo(tmp_path / "memo").known(file) is None
    listing = Listing(tmp_path, ["labels.csv"])
    listings = ListingMemo(tmp_path / "listings")
    listings.remember(listing, "0" * 64)
    assert listings.known(listing)
    monkeypatch.setattr(machine, "machine", lambda: "a third")
    assert listings.known(Listing(tmp_path, ["labels.csv"])) is None


def test_a_machine_without_a_name_of_its_own_is_one_until_it_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "pid_space", lambda: "4026532201")  # a container: its machine-id may be that of its image
    machine.machine.cache_clear()
    first = machine.machine()
    monkeypatch.setattr(machine, "boot_id", lambda: "another")
    machine.machine.cache_clear()
    assert machine.machine() != first
    machine.machine.cache_clear()


def test_without_recall_each_file_is_read_once_and_a_wrong_memory_is_mended(tmp_path: Path, file: Path) -> None:
    log = tmp_path / "memo"
    assert remembered(log, file)
    checking = DigestMemo(log, recall=False)
    assert checking.known(file) is None
    assert checking.digest(file) == digest_file(file) == checking.known(file) == DigestMemo(log).known(file)


def test_a_memory_that_cannot_be_written_or_read_is_none(tmp_path: Path, file: Path) -> None:
    for log in (tmp_path, file / "below a file"):
        assert DigestMemo(log).digest(file) == digest_file(file)


def test_the_file_system_is_looked_up_once_for_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    real = mounts.bond
    monkeypatch.setattr(mounts, "bond", lambda path: asked.append(path) or real(path))
    names = [f"{n}.mp4" for n in range(50)]
    for name in names:
        (tmp_path / name).write_text(name)
    listing = Listing(tmp_path, names)
    assert len(asked) == 1 and listing.believed
    keeper = DigestMemo(tmp_path / "memo")
    for name in names:
        keeper.digest(tmp_path / name)
    assert len(asked) == 2 or not listing.bonds[listing.stamps[0][0]].lasting


# -- real images -----------------------------------------------------------------------------------------------------------

BUILDERS = {
    "squashfs": ["mksquashfs", "{tree}", "{image}", "-all-time", "1000000000", "-mkfs-time", "1000000000", "-noappend", "-quiet"],
    "erofs": ["mkfs.erofs", "-T", "1000000000", "-U", "00000000-0000-0000-0000-000000000001", "{image}", "{tree}"],
    "iso9660": ["genisoimage", "-quiet", "-r", "-o", "{image}", "{tree}"],
    "ext4": ["mke2fs", "-q", "-t", "ext4", "-U", "00000000-0000-0000-0000-000000000001", "-d", "{tree}", "{image}", "4M"],
}

Mounter = Callable[..., None]


def attempt(*words: object) -> None:
    """Run a command that this machine may not be able to."""
    if not shutil.which(str(words[0])):
        pytest.skip(f"there is no {words[0]} here")
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60)
    if done.returncode:
        pytest.skip(f"{words[0]} does not work here: {done.stderr.strip()[:200]}")


@pytest.fixture
def mounter() -> Iterator[Mounter]:
    """Mount something; all of it is gone again at the end."""
    points: list[Path] = []

    def mount(point: Path, *words: object) -> None:
        point.mkdir(exist_ok=True)
        attempt(*words)
        points.append(point)

    yield mount
    for point in reversed(points):
        subprocess.run(["umount", str(point)], check=False, capture_output=True)


def build(folder: Path, kind: str, text: str) -> Path:
    """An image of a file ``labels.csv`` with ``text``, built so that another run on the same tree makes the same bytes."""
    tree, image = folder / f"tree of {text}", folder / f"{text}.image"
    tree.mkdir()
    (tree / "labels.csv").write_text(text)
    for path in (tree, tree / "labels.csv"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    attempt(*(word.format(tree=tree, image=image) for word in BUILDERS[kind]))
    return image


def release(mounter: Mounter, folder: Path, how: str, image: Path) -> Path:
    """Mount an image at the same place as the one before; returns the file in it."""
    point = folder / "data"
    subprocess.run(["umount", str(point)], check=False, capture_output=True)
    if how == "squashfuse":
        mounter(point, "squashfuse", image, point)
    elif how == "overlay":
        lower, upper, work = (folder / name for name in ("lower", "upper", "work"))
        subprocess.run(["umount", str(lower)], check=False, capture_output=True)
        for path in (upper, work):
            path.mkdir(exist_ok=True)
        mounter(lower, "mount", "-o", "loop,ro", image, lower)
        mounter(point, "mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={work}", point)
    else:
        mounter(point, "mount", "-o", "loop" if how == "ext4" else "loop,ro", image, point)
    return point / "labels.csv"


@pytest.mark.parametrize("how", [*BUILDERS, "overlay", "squashfuse"])
def test_the_next_release_of_a_real_image_is_read_where_its_stamps_are_the_same(mounter: Mounter, tmp_path: Path, how: str) -> None:
    kind = how if how in BUILDERS else "squashfs"
    log, seen = tmp_path / "memo", []
    images = [build(tmp_path, kind, text) for text in ("release one", "release two")]
    for image in images:
        file = release(mounter, tmp_path, how, image)
        seen.append(memo.stamp(file))
        assert DigestMemo(log).known(file) is None
        assert DigestMemo(log).digest(file) == digest_file(file)
        listing = Listing(file.parent, ["labels.csv"])
        assert ListingMemo(tmp_path / "listings").known(listing) is None
        if listing.believed and how != "ext4":  # whose files were changed, in a way, just now
            assert DigestMemo(log).known(file) == digest_file(file), "as long as it stays mounted it is read once"
            ListingMemo(tmp_path / "listings").remember(listing, digest_file(file))
            assert ListingMemo(tmp_path / "listings").known(listing)
    assert how == "ext4" or seen[0] == seen[1], "this is no test of images whose stamps are the same"
