"""Raw files whose stamps do not tell that they are others: the next release of an image, and a memory that is wrong."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cache import memo, mounts
from cache.digest import digest_file
from cache.listing import Listing
from cache.store import Store

FILES = ("--dataset", "files")


def test_verify_reads_the_files_whatever_is_remembered_of_them(house, videos: Path) -> None:
    past = time.time() - 1000
    for path in videos.iterdir():
        os.utime(path, (past, past))
    house.computed("index", *FILES)
    store = Store(house.store)
    before = digest_file(videos / "a.txt")
    record = next(filter(None, map(store.record, store.keys())))
    (videos / "a.txt").write_text("video z")
    listing = Listing(videos, sorted(path.name for path in videos.iterdir()))
    store.memo._log.add(memo._name(memo.stamp(videos / "a.txt"), mounts.bond(videos)), before)
    store.listings.remember(listing, record.key.sources)
    assert "nothing to run" in house.run("plan", "index", *FILES).stdout  # so wrong was the memory
    assert "nothing to run" not in house.run("plan", "index", "--verify", *FILES).stdout
    assert house.computed("index", "--verify", *FILES) == ["index"]
    assert "nothing to run" in house.run("plan", "index", *FILES).stdout  # and it is mended


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mksquashfs"), reason="only root, with mksquashfs, can make and mount images")
def test_the_next_release_of_an_image_is_seen_by_plan_and_run(house, videos: Path, tmp_path: Path) -> None:
    images = []
    for text in ("old", "new"):
        (videos / "a.txt").write_text(f"video {text}")
        image = tmp_path / f"{text}.sqfs"
        words = ["mksquashfs", str(videos), str(image), "-all-time", "1000000000", "-mkfs-time", "1000000000", "-noappend", "-quiet"]
        subprocess.run(words, check=True, capture_output=True)
        images.append(image)
    for image in images:
        done = subprocess.run(["mount", "-o", "loop,ro", str(image), str(videos)], check=False, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"images cannot be mounted here: {done.stderr.strip()}")
        try:
            assert "nothing to run" not in house.run("plan", "index", *FILES).stdout
            assert house.computed("sample", *FILES)[:1] == ["index"]
            assert "nothing to run" in house.run("plan", "sample", *FILES).stdout
        finally:
            subprocess.run(["umount", str(videos)], check=True)


def test_what_has_to_be_read_for_lack_of_honest_stamps_is_said(house, videos: Path) -> None:
    house.computed("index", *FILES)
    with (videos / "a.txt").open("ab") as file:
        file.truncate(64 << 20)  # more than a verb that looks may read
    kind = mounts.mount_of(videos).kind
    code = f"""
from cache import mounts
mounts.HONEST = mounts.HONEST - {{{kind!r}}}
mounts.IMAGES = mounts.IMAGES - {{{kind!r}}}
from pipeline.cli import main
main()
"""
    program = house.root / "distrustful.py"
    program.write_text(code)
    command = [sys.executable, str(program), "plan", "index", *FILES]
    told = subprocess.run(command, cwd=house.root, env=house.environment, capture_output=True, text=True, timeout=120)
    assert f"a.txt has to be read: times of change on {kind} prove nothing" in told.stdout, told.stdout + told.stderr
