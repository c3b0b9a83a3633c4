import io
import os
import stat
import zipfile
from pathlib import Path

import pytest

from bootstrap.scan.model import Skipped
from bootstrap.scan.sources import archives
from bootstrap.scan.sources.files import collect

DAG = b"from airflow.sdk import DAG\n"


def zipped(file: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.py", data)
    return file


def test_what_airflow_takes_for_a_zip_is_one_whatever_its_name(tmp_path: Path) -> None:
    zipped(tmp_path / "etl.egg", load=DAG)
    zipped(tmp_path / "bundle", load=DAG)
    assert [file.path for file in collect(tmp_path).files] == ["bundle/load.py", "etl.egg/load.py"]


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 nothing", b"x" * 1000])
def test_a_zip_that_is_none_is_said(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "broken.zip").write_bytes(data)
    assert collect(tmp_path).skipped == [Skipped("broken.zip", "no zip that can be read (BadZipFile)")]


def test_a_zip_cut_off_or_damaged_is_said_and_what_is_left_is_read(tmp_path: Path) -> None:
    whole = zipped(tmp_path / "a.zip", good=DAG, bad=os.urandom(5000)).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[:-30])
    damaged = whole.replace(zipfile.ZipFile(io.BytesIO(whole)).read("bad.py")[100:200], bytes(100))
    (tmp_path / "a.zip").write_bytes(damaged)
    found = collect(tmp_path)
    assert [file.path for file in found.files] == ["a.zip/good.py"]
    assert found.skipped == [
        Skipped("a.zip/bad.py", "can't be unpacked (BadZipFile)"),
        Skipped("cut.zip", "no zip that can be read (BadZipFile)"),
    ]


def test_an_encrypted_member_is_said(tmp_path: Path) -> None:
    data = bytearray(zipped(tmp_path / "a.zip", load=DAG).read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + flags] |= 1
    (tmp_path / "a.zip").write_bytes(data)
    assert collect(tmp_path).skipped == [Skipped("a.zip/load.py", "can't be unpacked (RuntimeError)")]


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    zipped(tmp_path / "bomb.zip", one=bytes(50_000_000))
    zipped(tmp_path / "many.zip", **{f"m{number}": b"#" * 4_900_000 for number in range(22)})
    found = collect(tmp_path)
    assert len(found.files) == 20
    assert found.skipped == [
        Skipped("bomb.zip/one.py", "unpacks to more than 5 MB"),
        Skipped("many.zip/m20.py", "more than 100 MB are unpacked from one zip"),
        Skipped("many.zip/m21.py", "more than 100 MB are unpacked from one zip"),
    ]


def test_a_huge_zip_is_not_opened(tmp_path: Path) -> None:
    with (tmp_path / "huge.zip").open("wb") as file:
        file.truncate(300_000_000)
    assert collect(tmp_path).skipped == [Skipped("huge.zip", "300 MB; zips over 200 MB aren't read")]


def test_a_zip_with_very_many_entries_is_read_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_ENTRIES", 3)  # making one with 20,000 takes seconds
    zipped(tmp_path / "a.zip", a=DAG, b=DAG, c=DAG, d=DAG)
    found = collect(tmp_path)
    assert len(found.files) == 3
    assert found.skipped == [Skipped("a.zip", "4 entries; only the first 3 are read")]


def test_a_link_in_a_zip_is_its_text_and_leads_nowhere(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("link.py")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    assert collect(tmp_path).files[0].read() == b"/etc/passwd"
