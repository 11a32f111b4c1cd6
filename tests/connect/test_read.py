from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.connect import read
from vedette.errors import ConfigError, InputError
from vedette.types import Position

from .readings import Got
from .records import ALL, KIBANA, SPLUNK, SURICATA, SURICATA_STATS, WAZUH, WAZUH_WINDOWS

AIT = "time,name,ip,host,short,time_label,event_label\n"
ROW = "1642213952,Wazuh: ClamAV database update,172.17.131.81,Mail,W-Sys-Cav,dirb,webshell\n"


def many(count: int) -> list[dict[str, Any]]:
    return [WAZUH | {"id": f"1715.{number}"} for number in range(count)]


def content(records: list[dict[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(record) + b"\n" for record in records)


def test_every_record_is_accounted_for(ndjson: Callable[..., Path]) -> None:
    got = Got([ndjson(*ALL, b"{broken", b"", {"no": "shape"})])
    assert (len(got.alerts), got.contexts, got.ignored, len(got.rejected)) == (7, 1, 2, 2)
    assert [rejected.ref.rpartition(":")[2] for rejected in got.rejected] == ["11", "13"]
    assert all(rejected.remedy for rejected in got.rejected)


def test_refs_lead_back_to_the_line(ndjson: Callable[..., Path]) -> None:
    path = ndjson(WAZUH, b"", SURICATA)
    assert [alert.ref for alert in Got([path]).alerts] == [f"{path}:1", f"{path}:3"]


@pytest.mark.parametrize("suffix", [".json", ".gz", ".txt"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress, lambda raw: _zip({"a/b.json": raw})])
def test_compression_is_told_by_content(tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / f"alerts{suffix}"
    path.write_bytes(pack(content(many(50))))
    assert len(Got([path]).alerts) == 50


def test_several_gzip_members_and_zstd_frames(tmp_path: Path) -> None:
    for pack in (gzip.compress, zstandard.compress):
        path = tmp_path / "a"
        path.write_bytes(pack(content(many(3))) + pack(content([SURICATA])))
        got = Got([path])
        assert (len(got.alerts), got.reasons) == (4, [])


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in members.items():
            archive.writestr(name, raw)
    return buffer.getvalue()


def test_zip_members(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    inner = _zip({"x.json": b"{}"})
    raw = {"one.json": content(many(2)), "two": gzip.compress(content([SURICATA])), "in.zip": inner, ".hidden": b"x"}
    path.write_bytes(_zip(raw))
    got = Got([path])
    assert [alert.ref for alert in got.alerts] == [f"{path}!one.json:1", f"{path}!one.json:2", f"{path}!two:1"]
    assert [rejected.ref for rejected in got.rejected] == [f"{path}!in.zip"]


@pytest.mark.parametrize(
    "raw", [b"BZh91AY", b"\xfd7zXZ\x00", b"7z\xbc\xaf\x27\x1c", b"\0" * 257 + b"ustar" + b"\0" * 99]
)
def test_refused_archives_name_the_remedy(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(raw)
    with pytest.raises(InputError, match="not supported") as caught:
        Got([path])
    assert caught.value.remedy
    assert caught.value.where == str(path)


def test_a_folder_is_read_in_order_without_hidden_files(tmp_path: Path) -> None:
    for name in ("b/2.json", "a.json", ".git/x.json", "b/.x.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content([WAZUH]))
    refs = [alert.ref for alert in Got([tmp_path]).alerts]
    assert refs == [f"{tmp_path}/a.json:1", f"{tmp_path}/b/2.json:1"]


def test_a_missing_path_is_rejected_and_the_rest_goes_on(ndjson: Callable[..., Path], tmp_path: Path) -> None:
    got = Got([tmp_path / "gone", ndjson(WAZUH)])
    assert (len(got.alerts), len(got.rejected)) == (1, 1)
    assert got.chunks[0].end.stream == ""
    with pytest.raises(InputError, match="gone"):
        Got([tmp_path / "gone"])


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress, lambda raw: _zip({"m": raw})])
@pytest.mark.parametrize("damage", [lambda raw: raw[:-40], lambda raw: raw[:-200] + b"\xff" * 200])
def test_a_damaged_tail_keeps_what_came_before(
    tmp_path: Path, ndjson: Callable[..., Path], pack: Callable[[bytes], bytes], damage: Callable[[bytes], bytes]
) -> None:
    records = [WAZUH | {"id": str(i), "full_log": str(i * 7919**9 % 10**60) * 8} for i in range(3_000)]
    path = tmp_path / "a"
    path.write_bytes(damage(pack(content(records))))
    got = Got([path, ndjson(SURICATA)])
    assert got.rejected
    assert all(rejected.remedy for rejected in got.rejected)
    assert any(alert.product == "Suricata" for alert in got.alerts)


def test_gzip_cut_off_loses_only_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(content(many(3_000)))[:-30])
    got = Got([path])
    assert len(got.alerts) > 2_000
    assert len(got.rejected) == 1
    assert "damaged gzip" in got.reasons[0]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress, lambda raw: _zip({"m": raw})])
def test_an_archive_bomb_is_stopped(tmp_path: Path, pack: Callable[[bytes], bytes], monkeypatch: Any) -> None:
    monkeypatch.setattr("vedette.inflate.FREE", 4 * 1024 * 1024)
    path = tmp_path / "a"
    path.write_bytes(pack(content(many(2)) + b"x" * 24_000_000))
    got = Got([path])
    assert len(got.alerts) == 2
    assert len(got.reasons) == 1
    assert "stopped after" in got.reasons[0]


def test_a_dense_archive_below_the_limit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    raw = (AIT + ROW * 20_000).encode()
    packed = gzip.compress(raw)
    path.write_bytes(packed)
    assert len(raw) / len(packed) > 100
    assert len(Got([path]).alerts) == 20_000


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(content(many(3)))))  # type: ignore[type-var]
    monkeypatch.setattr(sys, "stdin", stdin)
    assert [alert.ref for alert in Got(["-"]).alerts] == ["stdin:1", "stdin:2", "stdin:3"]


DOCUMENTS: dict[str, Callable[[list[Any]], Any]] = {
    "array": lambda records: records,
    "search": lambda records: {
        "took": 3,
        "hits": {"total": {"value": 9}, "hits": [{"_id": "1", "_source": r} for r in records]},
    },
    "results": lambda records: {"preview": False, "fields": [{"name": "a"}], "results": records},
}


@pytest.mark.parametrize("kind", DOCUMENTS)
@pytest.mark.parametrize("indent", [None, 2])
def test_documents(tmp_path: Path, kind: str, indent: int | None) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(DOCUMENTS[kind](many(40)), indent=indent) + "\n")
    got = Got([path], chunk_records=7)
    assert [alert.ref for alert in got.alerts] == [f"{path}:#{number}" for number in range(1, 41)]
    assert got.rejected == []


def test_pretty_printed_objects_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("\n".join(json.dumps(record, indent=4) for record in many(3)))
    assert len(Got([path]).alerts) == 3


@pytest.mark.parametrize(
    ("cut", "reason"), [(-1, "cut off"), (-300, "cut off"), (None, "more data"), (0, "not a JSON object")]
)
def test_damaged_documents(tmp_path: Path, cut: int | None, reason: str) -> None:
    raw = json.dumps(many(10))
    texts = {None: raw + "[1]", 0: raw[:-1] + ",7]"}
    path = tmp_path / "a.json"
    path.write_text(texts.get(cut, raw[:cut]))
    got = Got([path])
    assert len(got.alerts) >= 9
    assert len(got.reasons) == 1
    assert reason in got.reasons[0]


BAD = {
    "truncated JSON": orjson.dumps(WAZUH)[:-20],
    "not UTF-8 at byte": orjson.dumps(WAZUH).replace(b"oracle", b"or\xe9cle"),
    "NUL byte": orjson.dumps(WAZUH).replace(b"oracle", b"or\0cle"),
    "nested deeper": b'{"a":' * 200 + b"1" + b"}" * 200,
    "nested deeper than 100": b'{"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "key 'level' occurs twice": orjson.dumps(WAZUH).replace(b'"level":10', b'"level":10,"level":1'),
    "key 'id' occurs twice": orjson.dumps(WAZUH)[:-1] + b', "\\u0069d": "2"}',
    "not JSON": orjson.dumps(WAZUH).replace(b'"level":10', b'"level":NaN'),
    "not between 1990 and 2100": orjson.dumps(WAZUH | {"timestamp": "2123-01-01T00:00:00Z"}),
    "no time": orjson.dumps({key: value for key, value in WAZUH.items() if key != "timestamp"}),
    "cannot be read": orjson.dumps(WAZUH | {"timestamp": "yesterday"}),
    "not an object": b"[1]",
    "without rule.id": orjson.dumps(WAZUH | {"rule": {"level": 3}}),
}


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_record_is_rejected_and_its_neighbours_are_not(ndjson: Callable[..., Path], reason: str) -> None:
    got = Got([ndjson(WAZUH, BAD[reason], WAZUH_WINDOWS)])
    assert len(got.alerts) == 2
    assert len(got.rejected) == 1
    assert reason in got.rejected[0].reason
    assert got.rejected[0].size == len(BAD[reason])
    assert len(got.rejected[0].sha256) == 64


GOOD = {
    "deep but allowed": orjson.dumps(WAZUH)[:-1] + b',"x":' + b"[" * 90 + b"]" * 90 + b"}",
    "spaces": json.dumps(WAZUH).encode(),
    "escapes": json.dumps(WAZUH | {"full_log": "é/\u2028"}).encode().replace(b"/", b"\\/"),
    "carriage return": orjson.dumps(WAZUH) + b"\r",
    "the same key in two objects": orjson.dumps(WAZUH | {"x": [{"id": 1}, {"id": 2}]}),
}


@pytest.mark.parametrize("kind", GOOD)
def test_an_odd_record_is_not_rejected(ndjson: Callable[..., Path], kind: str) -> None:
    assert Got([ndjson(GOOD[kind], GOOD[kind])]).reasons == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("text", [json.dumps(WAZUH | {"full_log": "ü€"}, ensure_ascii=False) + "\n", AIT + ROW])
def test_encodings_by_byte_order_mark(tmp_path: Path, encoding: str, text: str) -> None:
    path = tmp_path / "a"
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    path.write_bytes((mark + text).encode(encoding))
    assert len(Got([path]).alerts) == 1


def test_utf16_without_a_mark_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes((json.dumps(WAZUH) + "\n").encode("utf-16-le"))
    assert Got([path]).alerts == []


def test_a_huge_line_is_skipped_without_being_held(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "a"
    with path.open("wb") as file:
        file.write(content([WAZUH]) + b'{"a":"')
        for _ in range(50):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\n' + content([SURICATA]))
    tracemalloc.start()
    got = Got([path])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [alert.ref for alert in got.alerts] == [f"{path}:1", f"{path}:3"]
    assert (got.rejected[0].size, len(got.rejected[0].excerpt)) == (50_000_008, 2_000)
    assert got.rejected[0].ref == f"{path}:2"
    assert peak < 50_000_000


def test_a_huge_item_of_a_document_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "a"
    huge = WAZUH | {"x": ["y" * 1_000_000] * 20}
    path.write_bytes(orjson.dumps([WAZUH, huge, WAZUH]))
    got = Got([path])
    assert [alert.ref for alert in got.alerts] == [f"{path}:#1", f"{path}:#3"]
    assert got.rejected[0].size == len(orjson.dumps(huge))


def test_unknown_format_is_one_rejection(tmp_path: Path, ndjson: Callable[..., Path]) -> None:
    for name, raw in {"a.png": b"\x89PNG\r\n\0\0", "b.txt": b"hello\nworld\n", "c.csv": b"a,b\n1,2\n3,4\n"}.items():
        (tmp_path / name).write_bytes(raw)
    (tmp_path / "d.json").write_bytes(b'{"a":1}\n' * 80)
    got = Got([*sorted(tmp_path.iterdir()), ndjson(WAZUH, name="z")])
    assert len(got.alerts) == 1
    assert len(got.reasons) == 4
    assert all("unknown format (known: wazuh" in reason for reason in got.reasons)
    assert all("--map" in rejected.remedy for rejected in got.rejected)


def test_a_stated_source_reads_nothing_else(ndjson: Callable[..., Path]) -> None:
    assert len(Got([ndjson(WAZUH, SURICATA)]).alerts) == 2
    assert len(Got([ndjson(WAZUH, SURICATA)], source="suricata").alerts) == 1
    with pytest.raises(ConfigError, match="did you mean 'suricata'"):
        read(["x"], source="suricate")


def test_times_without_a_zone(ndjson: Callable[..., Path]) -> None:
    local = SPLUNK["result"] | {"_time": "2024-01-01 12:00:00"}
    utc = Got([ndjson(local, local)])
    assert utc.alerts[0].time == 1704110400000
    assert [note for note in utc.notes if "UTC" in note] == utc.notes
    assert len(utc.notes) == 1
    vienna = Got([ndjson(local)], timezone="Europe/Vienna")
    assert vienna.alerts[0].time == 1704110400000 - 3_600_000
    assert Got([ndjson(WAZUH)]).notes == []
    with pytest.raises(ConfigError, match="Mars"):
        read(["x"], timezone="Mars/Olympus")


def test_clock_jumps_are_kept(ndjson: Callable[..., Path]) -> None:
    times = ["2024-05-14T09:00:00Z", "2023-01-01T00:00:00Z", "2024-05-14T09:00:01Z"]
    got = Got([ndjson(*(WAZUH | {"timestamp": time} for time in times))])
    assert [alert.time for alert in got.alerts] == [1715677200000, 1672531200000, 1715677201000]


def test_splunk_csv(tmp_path: Path) -> None:
    path = tmp_path / "notables.csv"
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, ["_time", "search_name", "urgency", "dest", "_raw"])
        table.writeheader()
        for number in range(3):
            table.writerow(
                {"_time": 1715671294 + number, "search_name": "R", "urgency": "low", "dest": "a", "_raw": 'x\n"y"\n'}
            )
    got = Got([path])
    assert [alert.ref.rpartition(":")[2] for alert in got.alerts] == ["2", "5", "8"]
    assert got.alerts[0].texts[0].value == 'x\n"y"\n'


def test_ait_is_recognised_and_its_labels_never_reach_an_alert(tmp_path: Path) -> None:
    path = tmp_path / "fox_alerts.txt"
    path.write_text(AIT + ROW + ROW.replace("Wazuh: ClamAV database update", "Suricata: Alert - ET SCAN Nmap"))
    got = Got([path])
    first, second = got.alerts
    assert (first.product, first.rule_name, first.severity) == ("Wazuh", "ClamAV database update", 1)
    assert (second.product, second.rule_uid, second.severity) == ("Suricata", "ET SCAN Nmap", 3)
    assert [one.value for one in first.observables] == ["mail", "172.17.131.81"]
    assert got.notes == []
    assert not any(label in repr(got.alerts) for label in ("dirb", "webshell", "W-Sys"))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("x,Wazuh: a,1.1.1.1,h,s,-,-\n", "time 'x'"),
        ("1642213952000,Wazuh: a,1.1.1.1,h,s,-,-\n", "not between"),
        ("1642213952,Wazuh: a,1.1.1.1,h\n", "4 fields where the header has 7"),
        ("1642213952,Zeek: a,1.1.1.1,h,s,-,-\n", "no known prefix"),
        ('1642213952,"Wazuh: a,1.1.1.1,h,s,-,-\n', "not closed"),
        ("1642213952,Wazuh: \0,1.1.1.1,h,s,-,-\n", "NUL"),
    ],
)
@pytest.mark.parametrize("quoted", [False, True])
def test_a_bad_row_is_rejected_and_its_neighbours_are_not(tmp_path: Path, row: str, reason: str, quoted: bool) -> None:
    path = tmp_path / "a.csv"
    good = ROW.replace("Wazuh: ClamAV database update", '"Wazuh: ClamAV, update"') if quoted else ROW
    path.write_text(AIT + good + row + good * 2)
    got = Got([path])
    assert [alert.ref.rpartition(":")[2] for alert in got.alerts] == ["2", "4", "5"]
    assert reason in got.reasons[0]
    assert len(got.reasons) == 1


def test_invalid_utf8_in_csv(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes((AIT + ROW).encode() + ROW.encode().replace(b"Mail", b"M\xe9l"))
    got = Got([path])
    assert (len(got.alerts), got.reasons) == (1, ["not UTF-8 at byte 56"])


MAKERS: dict[str, bytes] = {
    "lines": content(many(23)) + b"{bad\n\n" + content([SURICATA, SURICATA_STATS]),
    "array": orjson.dumps(many(23)),
    "search": orjson.dumps({"hits": {"hits": [{"_source": one} for one in many(23)]}}),
    "table": (AIT + ROW * 7 + ROW.replace("Mail", '"Ma\nil"') * 4 + "x\n" + ROW * 9).encode(),
    "utf-16": content(many(9)).decode().encode("utf-16"),
}


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_resuming_after_every_chunk_gives_what_an_undisturbed_read_gives(
    tmp_path: Path, kind: str, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "a"
    path.write_bytes(pack(MAKERS[kind]))
    whole = Got([path], chunk_records=3)
    assert len(whole.chunks) > 2
    for at, chunk in enumerate(whole.chunks, start=1):
        rest = Got([path], chunk_records=3, resume=lambda key, end=chunk.end: end if key == end.stream else None)  # type: ignore[misc]
        before = [alert for earlier in whole.chunks[:at] for alert in earlier.alerts]
        assert before + rest.alerts == whole.alerts
        assert [r for c in whole.chunks[:at] for r in c.rejected] + rest.rejected == whole.rejected


@pytest.mark.parametrize("first", [content(many(1)), (AIT + ROW).encode()])
def test_the_key_survives_growth_and_moving(tmp_path: Path, first: bytes) -> None:
    (tmp_path / "b").mkdir()
    path, moved = tmp_path / "a", tmp_path / "b" / "a"
    path.write_bytes(first)
    moved.write_bytes(first + first.split(b"\n")[-2] * 1 + b"\n" + content(many(50)))
    key = Got([path]).chunks[0].end.stream
    assert Got([moved]).chunks[0].end.stream == key
    path.write_bytes(first.replace(b"1642213952", b"1642213953").replace(b"1715.0", b"1715.9"))
    assert Got([path]).chunks[0].end.stream != key


def test_a_last_line_without_its_end_is_read_again_when_it_has_grown(tmp_path: Path) -> None:
    path = tmp_path / "a"
    raw = content(many(3))
    path.write_bytes(raw[:-30])
    first = Got([path])
    assert (len(first.alerts), first.reasons) == (2, ["truncated JSON"])
    path.write_bytes(raw)
    again = Got([path], resume=lambda key: first.chunks[-1].end)
    assert [alert.ref for alert in again.alerts] == [f"{path}:3"]


def test_a_whole_last_line_without_its_end_is_not_read_twice(tmp_path: Path) -> None:
    path = tmp_path / "a"
    raw = content(many(3))
    path.write_bytes(raw[:-1])
    first = Got([path])
    assert len(first.alerts) == 3
    path.write_bytes(raw + content([SURICATA]))
    again = Got([path], resume=lambda key: first.chunks[-1].end)
    assert [alert.ref for alert in again.alerts] == [f"{path}:4"]


def test_a_stream_shorter_than_before_says_so(ndjson: Callable[..., Path]) -> None:
    got = Got([ndjson(WAZUH)], resume=lambda key: Position(stream=key, offset=10**6, line=9))
    assert "shorter than" in got.reasons[0]


def test_an_empty_file_is_noted(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    got = Got([tmp_path / "a"])
    assert (got.chunks, got.notes) == ([], [f"{tmp_path / 'a'}: empty"])


def test_wrapped_documents_line_by_line(ndjson: Callable[..., Path]) -> None:
    assert len(Got([ndjson(KIBANA, {"_source": WAZUH}, SPLUNK)]).alerts) == 3


def test_a_name_that_is_too_long_is_rejected(ndjson: Callable[..., Path]) -> None:
    long = WAZUH | {"rule": WAZUH["rule"] | {"description": "x" * 501}}
    fits = WAZUH | {"rule": WAZUH["rule"] | {"description": "x" * 500}}
    got = Got([ndjson(long, fits)])
    assert (len(got.alerts), got.reasons) == (1, ["a rule name or id of 501 characters"])


def test_a_file_name_that_is_not_utf8(tmp_path: Path) -> None:
    path = Path(f"{tmp_path}/a\udce9.json")
    path.write_bytes(content([WAZUH]))
    assert Got([path]).alerts[0].ref.encode().endswith(b"a\\xe9.json:1")


def test_stop_ends_the_reading(ndjson: Callable[..., Path]) -> None:
    chunks = list(read([str(ndjson(*many(10)))], chunk_records=2, stop=lambda: True))
    assert len(chunks) == 1


@given(
    st.lists(
        st.binary(max_size=60) | st.sampled_from([orjson.dumps(record) for record in ALL]), min_size=1, max_size=12
    )
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arbitrary_bytes_never_raise_and_the_account_balances(tmp_path: Path, lines: list[bytes]) -> None:
    path = tmp_path / "a"
    lines = [orjson.dumps(WAZUH), *(line.replace(b"\n", b" ") for line in lines)]
    path.write_bytes(b"\n".join(lines))
    got = Got([path])
    assert got.total == sum(1 for line in lines if line.strip())
    assert not any("please report" in rejected.remedy for rejected in got.rejected)


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"[", b'{"hits":{"hits":[', AIT.encode(), b"\xff\xfe", b"\x1f\x8b", b"PK\x03\x04"]),
)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arbitrary_files_never_raise_anything_but_input_error(tmp_path: Path, raw: bytes, start: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(start + raw)
    with suppress(InputError):
        assert not any("please report" in rejected.remedy for rejected in Got([path]).rejected)


def test_the_labelled_scenarios_are_read_whole(shared: Path) -> None:
    reader = read([str(shared / "data" / "alerts" / "ait-ads-alerts-csv.zip")], chunk_records=50_000)
    alerts = rejected = 0
    for chunk in reader:
        alerts, rejected = alerts + len(chunk.alerts), rejected + len(chunk.rejected)
    assert (alerts, rejected, reader.notes) == (1_970_616, 0, [])


OWN = """
name = "own"
time.field = "time"
product.constant = "P"
rule.name = "rule"
text = [{ kind = "url", field = "url" }]
"""


def test_line_ends_in_a_field_do_not_hide_a_csv_alert(tmp_path: Path) -> None:
    """A stray quote still costs its own line only."""
    field_map, path = tmp_path / "map.toml", tmp_path / "a.csv"
    field_map.write_text(OWN)
    row = "1642213952,a rule,{}\n"
    path.write_text("time,rule,url\n" + row.format('"' + "\n" * 9_000 + 'x"') + row.format('"stray') + row.format("y"))
    got = Got([path], field_map=field_map)
    assert [text.value[-1] for alert in got.alerts for text in alert.texts] == ["x", "y"]
    assert len(got.rejected) == 1
