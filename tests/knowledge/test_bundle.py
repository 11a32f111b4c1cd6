from __future__ import annotations

import hashlib
import io
import random
import struct
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette import signing
from vedette.errors import ArtefactError, InputError, OutputError, VedetteError
from vedette.knowledge import bundle
from vedette.knowledge.bundle import open_bundle, write_bundle
from vedette.knowledge.record import Kind, Record, Text, digest, encode
from vedette.knowledge.unit import Unit, content_hash

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEYS = {signing.key_id(KEY.public_key()): KEY.public_key()}
NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)

Bodies = dict[tuple[str, str], list[bytes]]


def body(number: int, source: str) -> bytes:
    text = Text("description", f"made up for {source}\nover two lines, number {number}")
    return encode(Record(id=f"CVE-2020-{number:04}", kind=Kind.VULNERABILITY, texts=(text,)))


def unit(source: str, part: str, bodies: list[bytes], **changes: Any) -> Unit:
    whole = Unit(
        source=source,
        part=part,
        release="18.1",
        on="2025-11-01",
        imported="2026-01-01T00:00:00+00:00",
        inputs={"a.json": "0" * 64},
        read=len(bodies) + 2,
        records=len(bodies),
        skipped={"marking definition": 2},
        refused={},
        content=content_hash(digest(one) for one in bodies),
    )
    return msgspec.structs.replace(whole, **changes)


BODIES: Bodies = {
    ("attack", "enterprise"): [body(n, "attack") for n in range(40)],
    ("kev", ""): [body(n, "kev") for n in range(3)],
    ("nvd", "2003-2004 from 2000"): [],
}
UNITS = [unit(source, part, bodies) for (source, part), bodies in BODIES.items()]


def given_bodies(one: Unit) -> Iterator[bytes]:
    return iter(BODIES[one.source, one.part])


def write(path: Path, key: Ed25519PrivateKey | None = KEY, units: list[Unit] | None = None) -> Path:
    write_bundle(path, UNITS if units is None else units, given_bodies, key, created=NOON)
    return path


def everything(path: Path, keys: signing.Trusted = KEYS, **options: bool) -> tuple[tuple[Unit, ...], Bodies]:
    with open_bundle(path, keys, **options) as opened:
        return opened.units, {(one.source, one.part): list(opened.records(one)) for one in opened.units}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write(tmp_path_factory.mktemp("bundle") / "b.zip").read_bytes()


def test_what_comes_out_is_what_went_in(tmp_path: Path) -> None:
    path = write(tmp_path / "b.zip")
    assert everything(path) == (tuple(UNITS), BODIES)
    with open_bundle(path, KEYS) as opened:
        assert opened.created == NOON
        assert opened.signed_by == signing.key_id(KEY.public_key())
        assert [one.on for one in opened.units] == ["2025-11-01"] * 3
    assert list(tmp_path.iterdir()) == [path]


def test_the_same_store_gives_the_same_bytes(tmp_path: Path) -> None:
    assert write(tmp_path / "a.zip").read_bytes() == write(tmp_path / "b.zip").read_bytes()


def test_it_is_a_plain_zip_of_lines(small: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(small)) as archive:
        assert archive.testzip() is None
        names = [
            "records/attack.enterprise.jsonl.zst",
            "records/kev.jsonl.zst",
            "records/nvd.2003-2004%20from%202000.jsonl.zst",
        ]
        assert archive.namelist() == [*names, "manifest.json", "manifest.sig"]
        with zstandard.ZstdDecompressor().stream_reader(archive.open(names[1])) as lines:
            assert lines.read().splitlines() == BODIES["kev", ""]


@given(st.lists(st.lists(st.binary(max_size=60).map(lambda b: b.replace(b"\n", b" ")), max_size=5), max_size=3))
@settings(max_examples=25)
def test_any_bodies_come_back(tmp_path_factory: pytest.TempPathFactory, lists: list[list[bytes]]) -> None:
    path = tmp_path_factory.mktemp("any") / "b.zip"
    bodies = {(f"s{number}", ""): each for number, each in enumerate(lists)}
    units = [unit(source, part, each) for (source, part), each in bodies.items()]
    write_bundle(path, units, lambda one: iter(bodies[one.source, one.part]), KEY)
    assert everything(path) == (tuple(units), bodies)


@given(st.lists(st.binary(min_size=16, max_size=16)), st.randoms(use_true_random=False))
def test_the_content_hash_does_not_depend_on_the_order_but_on_everything_else(
    digests: list[bytes], chance: random.Random
) -> None:
    shuffled = list(digests)
    chance.shuffle(shuffled)
    assert content_hash(shuffled) == content_hash(digests)
    assert content_hash([*digests, b"x" * 16]) != content_hash(digests)


# Changed bundles


def test_a_flipped_byte_never_gives_other_content(small: bytes, tmp_path: Path) -> None:
    chance = random.Random(7)
    path = tmp_path / "b.zip"
    refused: list[ArtefactError] = []
    for place in sorted(chance.sample(range(len(small)), 200)):
        changed = bytearray(small)
        changed[place] ^= chance.randrange(1, 256)
        path.write_bytes(changed)
        try:
            assert everything(path) == (tuple(UNITS), BODIES), place
        except ArtefactError as exc:
            refused.append(exc)
    assert all(error.where == str(path) and error.remedy for error in refused)
    assert len(refused) > 150  # the rest are fields such as times and flags of the zip


def test_no_flipped_byte_of_an_unsigned_bundle_raises_anything_else(tmp_path: Path) -> None:
    small = write(tmp_path / "b.zip", key=None).read_bytes()
    chance = random.Random(8)
    for place in chance.sample(range(len(small)), 200):
        changed = bytearray(small)
        changed[place] ^= chance.randrange(1, 256)
        (tmp_path / "c.zip").write_bytes(changed)
        try:
            units, bodies = everything(tmp_path / "c.zip", allow_unsigned=True)
        except ArtefactError:
            continue
        assert (units, bodies) == (tuple(UNITS), BODIES), place


def test_a_cut_off_bundle_is_refused(small: bytes, tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    for size in [0, 1, 21, 22, 97, 98, *range(100, len(small), 97), len(small) - 1]:
        path.write_bytes(small[:size])
        with pytest.raises(ArtefactError, match="not a whole bundle"):
            everything(path)


@given(st.binary(max_size=200))
def test_no_garbage_raises_anything_else(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("garbage") / "b.zip"
    for whole in (content, content + b"PK\x05\x06" + bytes(18), b"PK\x05\x06" + content):
        path.write_bytes(whole)
        with pytest.raises(VedetteError):
            everything(path, allow_unsigned=True)


def test_an_unknown_key_is_refused(small: bytes, tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    path.write_bytes(small)
    other = Ed25519PrivateKey.generate().public_key()
    for keys in ({}, {signing.key_id(other): other}):
        for allowed in (False, True):
            with pytest.raises(ArtefactError, match="unknown key"):
                open_bundle(path, keys, allow_unsigned=allowed)


def test_unsigned_passes_only_where_it_is_allowed(tmp_path: Path) -> None:
    path = write(tmp_path / "b.zip", key=None)
    with pytest.raises(ArtefactError, match="not signed"):
        open_bundle(path, KEYS)
    assert everything(path, {}, allow_unsigned=True)[1] == BODIES
    with open_bundle(path, {}, allow_unsigned=True) as opened:
        assert opened.signed_by == ""


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path: Path, content: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, each in content.items():
            archive.writestr(name, each)
    return path


def signed(content: dict[str, bytes], manifest: dict[str, Any] | bytes) -> dict[str, bytes]:
    raw = manifest if isinstance(manifest, bytes) else msgspec.json.encode(manifest)
    return content | {
        "manifest.json": raw,
        "manifest.sig": msgspec.json.encode(signing.sign(raw, KEY)),
    }


def test_a_signature_of_another_manifest_is_refused(small: bytes, tmp_path: Path) -> None:
    content = members(small)
    content["manifest.json"] = content["manifest.json"].replace(b'"18.1"', b'"18.2"')
    with pytest.raises(ArtefactError, match="changed after it was signed"):
        everything(pack(tmp_path / "b.zip", content))
    content = members(small) | {"manifest.sig": b"{}"}
    with pytest.raises(ArtefactError, match=r"'manifest.sig' cannot be read"):
        everything(pack(tmp_path / "b.zip", content), allow_unsigned=True)


def test_a_later_format_asks_for_an_update(small: bytes, tmp_path: Path) -> None:
    later = {"kind": bundle.KIND, "format": 2, "vedette": "9.0", "shape": "unknown"}
    with pytest.raises(ArtefactError, match=r"format 2, written by Vedette '9.0'.*update Vedette"):
        everything(pack(tmp_path / "b.zip", signed(members(small), later)))


Changed = list[tuple[str, Any]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([("file", "records/../../evil")], "names files"),
        ([("file", "/records/kev.jsonl.zst")], "names files"),
        ([("file", "records/attack.enterprise.jsonl.zst")], "names files"),
        ([("sha256", "0" * 64)], "does not match its sha256"),
        ([("size", 1)], "another size"),
        ([("expanded", 5)], "expands to more"),
        ([("expanded", 10**6)], "ends early"),
        ([("size", -1)], "cannot be read"),
        ([("odd", 1)], "cannot be read"),
        ([("unit", {"source": "../kev"})], "cannot be read"),
        ([("unit", {"part": "../x"})], "names files"),
        ([("unit", {"part": "a\nb"})], "cannot be read"),
        ([("unit", {"records": 2})], "other records than stated"),
        ([("unit", {"content": "0" * 64})], "other records than stated"),
    ],
)
def test_a_signed_manifest_is_still_checked(small: bytes, tmp_path: Path, changes: Changed, message: str) -> None:
    content = members(small)
    manifest = msgspec.json.decode(content["manifest.json"])
    for name, value in changes:
        entry = manifest["entries"][1]
        entry[name] = entry["unit"] | value if name == "unit" else value
    with pytest.raises(ArtefactError, match=message):
        everything(pack(tmp_path / "b.zip", signed(content, manifest)))


def test_a_unit_that_is_there_twice_is_refused(small: bytes, tmp_path: Path) -> None:
    content = members(small)
    manifest = msgspec.json.decode(content["manifest.json"])
    manifest["entries"].append(manifest["entries"][0])
    with pytest.raises(ArtefactError, match="names files"):
        everything(pack(tmp_path / "b.zip", signed(content, manifest)))


@pytest.mark.parametrize("manifest", [b"", b"{}", b"[" * 100_000, b"\xff", b'{"kind": "other", "format": 1}'])
def test_a_manifest_that_is_none_is_refused(small: bytes, tmp_path: Path, manifest: bytes) -> None:
    with pytest.raises(ArtefactError, match=r"manifest cannot be read|not a knowledge bundle but 'other'"):
        everything(pack(tmp_path / "b.zip", signed(members(small), manifest)))


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "records/extra.jsonl.zst", "manifest.json.bak"])
def test_a_file_too_many_is_refused(small: bytes, tmp_path: Path, name: str) -> None:
    with pytest.raises(ArtefactError, match="other files than its manifest says"):
        everything(pack(tmp_path / "b.zip", members(small) | {name: b"x"}))


def test_a_renamed_file_is_refused(small: bytes, tmp_path: Path) -> None:
    content = members(small)
    content["records/../kev.jsonl.zst"] = content.pop("records/kev.jsonl.zst")
    with pytest.raises(ArtefactError, match="other files than its manifest says"):
        everything(pack(tmp_path / "b.zip", content))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["manifest.json", "manifest.sig", "records/kev.jsonl.zst"])
def test_a_member_that_is_there_twice_is_refused(small: bytes, tmp_path: Path, name: str) -> None:
    path = tmp_path / "b.zip"
    path.write_bytes(small)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, members(small)[name])
    with pytest.raises(ArtefactError, match="there twice"):
        everything(path)


@pytest.mark.parametrize("name", ["manifest.json", "records/kev.jsonl.zst"])
def test_a_missing_file_is_refused(small: bytes, tmp_path: Path, name: str) -> None:
    content = members(small)
    del content[name]
    with pytest.raises(ArtefactError):
        everything(pack(tmp_path / "b.zip", content))


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_that_are_packed_in_another_way_are_refused(small: bytes, tmp_path: Path, method: int) -> None:
    with pytest.raises(ArtefactError, match="packed in another way"):
        everything(pack(tmp_path / "b.zip", members(small), method))


def bomb(tmp_path: Path, expanded: int) -> Path:
    """Validly signed by a trusted key, 128 MiB of zeros in a few KiB."""
    packed = zstandard.ZstdCompressor().compress(bytes(128 * 1024**2))
    one = bundle.Entry(
        unit("kev", "", []), "records/kev.jsonl.zst", hashlib.sha256(packed).hexdigest(), len(packed), expanded
    )
    manifest = msgspec.json.encode(bundle.Contents(bundle.KIND, 1, NOON, "1", [one]))
    return pack(tmp_path / "b.zip", signed({"records/kev.jsonl.zst": packed}, manifest))


@pytest.mark.parametrize("stated", [0, 1024, 128 * 1024**2])
def test_a_bomb_is_stopped(tmp_path: Path, stated: int) -> None:
    path = bomb(tmp_path, stated)
    assert path.stat().st_size < 20_000
    with pytest.raises(ArtefactError, match=r"expands to more|times the compressed size"):
        everything(path)


def test_a_long_list_of_members_is_refused_before_it_is_read(small: bytes, tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    changed = bytearray(small)
    changed[-10:-6] = struct.pack("<I", bundle.MAX_DIRECTORY + 1)
    path.write_bytes(changed)
    with pytest.raises(ArtefactError, match="list of members is too long"):
        everything(path)
    zip64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 5, 5, bundle.MAX_DIRECTORY + 1, 0)
    path.write_bytes(small[:-22] + zip64 + struct.pack("<4sLQL", b"PK\x06\x07", 0, len(small) - 22, 1) + small[-22:])
    with pytest.raises(ArtefactError, match="list of members is too long"):
        everything(path)


def test_many_files_are_all_checked_before_a_record_is_given(small: bytes, tmp_path: Path) -> None:
    content = members(small)
    damaged = bytearray(content["records/attack.enterprise.jsonl.zst"])
    damaged[-1] ^= 1
    path = pack(tmp_path / "b.zip", content | {"records/attack.enterprise.jsonl.zst": bytes(damaged)})
    with pytest.raises(ArtefactError, match=r"'records/attack.enterprise.jsonl.zst' does not match its sha256"):
        open_bundle(path, KEYS)


# Writing


@pytest.mark.parametrize("bodies", [[b"other"], [*BODIES["kev", ""], b"more"], BODIES["kev", ""][:-1]])
def test_a_store_that_does_not_match_its_units_is_not_exported(tmp_path: Path, bodies: list[bytes]) -> None:
    with pytest.raises(ArtefactError, match="not those that were imported"):
        write_bundle(tmp_path / "b.zip", [UNITS[1]], lambda _: iter(bodies), KEY)
    assert list(tmp_path.iterdir()) == []


def test_a_record_of_two_lines_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="fits no line"):
        write_bundle(tmp_path / "b.zip", [unit("kev", "", [b"a\nb"])], lambda _: iter([b"a\nb"]), KEY)


def test_a_unit_with_an_odd_name_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="source"):
        write_bundle(tmp_path / "b.zip", [unit("../x", "", [])], lambda _: iter([]), KEY)
    assert list(tmp_path.iterdir()) == []


def test_an_older_bundle_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "b.zip")
    before = path.read_bytes()
    with pytest.raises(ArtefactError):
        write_bundle(path, UNITS, lambda _: iter([b"other"]), KEY)
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="create the folder first"):
        write(tmp_path / "absent" / "b.zip")


def test_a_file_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="check the path"):
        open_bundle(tmp_path / "b.zip", KEYS)


def test_long_records_cross_the_pieces(tmp_path: Path) -> None:
    chance = random.Random(1)
    bodies = [chance.randbytes(size).replace(b"\n", b" ") for size in (300_000, 0, 1, 700_000)]
    write_bundle(tmp_path / "b.zip", [unit("kev", "", bodies)], lambda _: iter(bodies), KEY)
    assert everything(tmp_path / "b.zip")[1] == {("kev", ""): bodies}
