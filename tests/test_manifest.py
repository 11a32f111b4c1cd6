from __future__ import annotations

import errno
import os
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette import __version__, manifest
from vedette.errors import ArtefactError, OutputError


@pytest.fixture
def artefact(tmp_path: Path) -> Path:
    (tmp_path / "in.txt").write_bytes(b"input")
    folder = tmp_path / "artefact"
    (folder / "deep").mkdir(parents=True)
    (folder / "weights.json").write_bytes(b"[1, 2]")
    (folder / "deep" / "labels.txt").write_bytes(b"a\nb\n")
    manifest.write(
        folder / "manifest.json",
        inputs={"alerts": tmp_path / "in.txt"},
        outputs=["weights.json", folder / "deep" / "labels.txt"],
        versions={"numpy": "2.0"},
        seed=7,
        counts={"in": 10, "rejected": 1},
    )
    return folder


def test_a_manifest_says_what_took_part(artefact: Path) -> None:
    found = manifest.verify(artefact)
    assert found == manifest.verify(artefact / "manifest.json") == manifest.read(artefact)
    assert found.inputs == {"alerts": sha256(b"input").hexdigest()}
    assert list(found.outputs) == ["deep/labels.txt", "weights.json"]
    assert found.versions == {"vedette": __version__, "numpy": "2.0"}
    assert (found.seed, found.counts) == (7, {"in": 10, "rejected": 1})
    assert found.created.utcoffset() is not None


@pytest.mark.parametrize("name", ["weights.json", "deep/labels.txt"])
def test_a_changed_file_is_named(artefact: Path, name: str) -> None:
    (artefact / name).write_bytes((artefact / name).read_bytes() + b" ")
    with pytest.raises(ArtefactError, match=f"'{name}' does not match its manifest"):
        manifest.verify(artefact)


def test_a_missing_output_is_named(artefact: Path) -> None:
    (artefact / "weights.json").unlink()
    with pytest.raises(ArtefactError, match=r"'weights\.json' cannot be read"):
        manifest.verify(artefact)


def test_an_artefact_without_manifest_is_unfinished(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="no manifest"):
        manifest.verify(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"created": 1, "versions": {}, "more": 1}'])
def test_a_broken_manifest_is_an_artefact_error(artefact: Path, content: bytes) -> None:
    (artefact / "manifest.json").write_bytes(content)
    with pytest.raises(ArtefactError, match="manifest cannot be read"):
        manifest.verify(artefact)


@pytest.mark.parametrize("name", ["../in.txt", "/etc/hostname"])
def test_a_manifest_cannot_reach_outside_its_folder(artefact: Path, name: str) -> None:
    path = artefact / "manifest.json"
    path.write_text(path.read_text().replace("weights.json", name))
    with pytest.raises(ArtefactError, match="lies outside"):
        manifest.verify(artefact)


def test_outputs_lie_beside_their_manifest(artefact: Path) -> None:
    with pytest.raises(ArtefactError, match="lies outside"):
        manifest.write(artefact / "manifest.json", outputs=[artefact.parent / "in.txt"])


@given(st.binary(min_size=1), st.data())
def test_any_changed_byte_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("flip")
    file = folder / "blob"
    file.write_bytes(content)
    manifest.write(folder / "manifest.json", outputs=["blob"])
    place = data.draw(st.integers(0, len(content) - 1))
    changed = bytearray(content)
    changed[place] ^= data.draw(st.integers(1, 255))
    file.write_bytes(changed)
    with pytest.raises(ArtefactError):
        manifest.verify(folder)


@given(st.binary() | st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_atomic_write_writes_what_it_was_given(tmp_path_factory: pytest.TempPathFactory, content: bytes | str) -> None:
    path = tmp_path_factory.getbasetemp() / "atomic"
    manifest.atomic_write(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert not list(path.parent.glob(".atomic*"))


def test_a_new_file_has_the_usual_mode_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    plain, atomic = tmp_path / "plain", tmp_path / "atomic"
    plain.write_text("x")
    manifest.atomic_write(atomic, "x")
    assert atomic.stat().st_mode == plain.stat().st_mode
    atomic.chmod(0o600)
    manifest.atomic_write(atomic, "y")
    assert atomic.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("number", "remedy"), [(errno.ENOSPC, "free some space"), (errno.EROFS, "read-only"), (errno.EIO, "another place")]
)
def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str
) -> None:
    path = tmp_path / "queue.json"
    path.write_text("old")

    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match=remedy):
        manifest.atomic_write(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_no_folder_and_a_folder_in_the_way_are_output_errors(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="create the folder first"):
        manifest.atomic_write(tmp_path / "absent" / "x", "x")
    (tmp_path / "taken").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        manifest.atomic_write(tmp_path / "taken", "x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]


def test_sha256_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc" * 100_000)
    assert manifest.sha256_file(tmp_path / "x") == sha256(b"abc" * 100_000).hexdigest()
