"""The file of records is bounded, and holds whole lines whatever happened to its writer."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from ogi.audit.files import RotatingFile


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(file: RotatingFile, *lines: bytes) -> None:
    left = list(lines)
    while left:
        del left[: file.append(left)]


def test_a_full_file_is_put_aside_and_the_oldest_goes(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path, bytes_max=30, files_max=3)
    for number in range(12):
        write(file, b"line %04d!" % number)
    file.close()
    assert names(tmp_path) == ["events.1.jsonl", "events.2.jsonl", "events.jsonl"]
    kept = b"".join((tmp_path / f"events{age}.jsonl").read_bytes() for age in (".2", ".1", ""))
    assert kept == b"".join(b"line %04d!\n" % number for number in range(6, 12))
    assert all(path.stat().st_size <= 33 for path in tmp_path.iterdir())


def test_many_lines_at_once_are_spread_over_files(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path, bytes_max=30, files_max=9)
    write(file, *(b"line %04d!" % number for number in range(7)))
    file.close()
    assert [(tmp_path / f"events{age}.jsonl").read_bytes().count(b"\n")
            for age in (".3", ".2", ".1", "")] == [2, 2, 2, 1]  # fmt: skip


def test_one_file_only_starts_over(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path, bytes_max=20, files_max=1)
    for number in range(5):
        write(file, b"line %04d!" % number)
    file.close()
    assert names(tmp_path) == ["events.jsonl"]
    assert (tmp_path / "events.jsonl").read_bytes() == b"line 0004!\n"


def test_fewer_files_than_before_remove_the_rest(tmp_path: Path) -> None:
    for age in (".1", ".2", ".3", ".4", ""):
        (tmp_path / f"events{age}.jsonl").write_bytes(b"x\n" * 20)
    file = RotatingFile(tmp_path, bytes_max=20, files_max=2)
    write(file, b"new")
    file.close()
    assert names(tmp_path) == ["events.1.jsonl", "events.jsonl"]


def test_it_goes_on_where_it_was_and_cuts_off_what_a_crash_has_torn(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_bytes(b'{"whole": 1}\n{"torn": ')
    file = RotatingFile(tmp_path, bytes_max=1000, files_max=3)
    write(file, b'{"next": 2}')
    file.close()
    assert (tmp_path / "events.jsonl").read_bytes() == b'{"whole": 1}\n{"next": 2}\n'


def test_a_write_that_fails_leaves_no_part_of_a_line(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path, bytes_max=1000, files_max=3)
    write(file, b"first")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(b"first\nsec"), hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            file.append([b"second"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    write(file, b"second")
    file.close()
    assert (tmp_path / "events.jsonl").read_bytes() == b"first\nsecond\n"


def test_others_cannot_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    file = RotatingFile(folder, bytes_max=1000, files_max=3)
    write(file, b"line")
    file.close()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "events.jsonl").stat().st_mode & 0o777 == 0o600
