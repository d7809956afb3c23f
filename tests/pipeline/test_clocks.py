"""Time stamps carry no truth: touched, set back or forward, edited within a second, inodes reused."""

import os
import time


def test_touching_inputs_store_and_code_reruns_nothing(house, videos) -> None:
    house.computed("features", "--dataset", "files")
    for path in house.root.rglob("*"):
        if path.is_file():
            path.touch()
    assert house.computed("features", "--dataset", "files") == []


def test_clocks_set_back_or_forward_rerun_nothing_and_hide_no_edit(house, videos) -> None:
    house.computed("sample", "--dataset", "files")
    for offset in (-10 * 365 * 86400, 10 * 365 * 86400):
        stamp = time.time() + offset
        for path in videos.iterdir():
            os.utime(path, (stamp, stamp))
        assert house.computed("sample", "--dataset", "files") == []
        (videos / "a.txt").write_text(f"video at {offset}")
        os.utime(videos / "a.txt", (stamp, stamp))
        assert "sample" in house.computed("sample", "--dataset", "files")


def test_an_edit_within_the_same_second_and_of_the_same_size_is_noticed(house, videos) -> None:
    for n in range(5):
        (videos / "a.txt").write_text(f"video {n}")
        assert "index" in house.computed("index", "--dataset", "files"), n


def test_an_edit_that_keeps_size_and_mtime_is_noticed(house, videos) -> None:
    path = videos / "a.txt"
    past = time.time() - 1000
    os.utime(path, (past, past))
    house.computed("index", "--dataset", "files")
    stat = path.stat()
    path.write_text("video z")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == stat.st_size
    assert house.computed("index", "--dataset", "files") == ["index"]


def test_a_file_moved_over_another_is_noticed(house, videos) -> None:
    past = time.time() - 1000
    for name in "abc":
        os.utime(videos / f"{name}.txt", (past, past))
    house.computed("index", "--dataset", "files")
    (videos / "b.txt").replace(videos / "a.txt")
    (videos / "b.txt").write_text("video b")
    assert house.computed("index", "--dataset", "files") == ["index"]


def test_two_files_that_swap_names_are_noticed(house, videos) -> None:
    house.computed("index", "--dataset", "files")
    (videos / "a.txt").rename(videos / "t")
    (videos / "b.txt").rename(videos / "a.txt")
    (videos / "t").rename(videos / "b.txt")
    assert house.computed("index", "--dataset", "files") == ["index"]
    assert house.computed("sample", "--dataset", "files") == ["sample"]
    assert house.worked() == ["a.txt", "b.txt", "c.txt"]  # the rows are found by content


def test_a_reused_inode_is_noticed(house, videos) -> None:
    path = videos / "a.txt"
    house.computed("index", "--dataset", "files")
    inode = path.stat().st_ino
    for n in range(50):
        path.unlink()
        path.write_text(f"other{n:02d}")
        if path.stat().st_ino == inode:
            break
    assert house.computed("index", "--dataset", "files") == ["index"]
