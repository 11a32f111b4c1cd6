"""`vedette triage` and `vedette label`: what they print, where they write, and how they fail."""

from __future__ import annotations

import csv
import io
import json
import re
import resource
import signal
import time
from pathlib import Path

import pytest
from typer.main import get_command

from vedette.cli import app

from .conftest import Vedette, lines, start, wazuh


def attack(n: int) -> dict[str, object]:
    rule = {"level": 15, "description": f"Mimikatz seen, stage {n}", "id": f"9{n}", "groups": ["x"]}
    return wazuh(n, rule=rule, agent={"id": "9", "name": "ws-0", "ip": "10.20.0.1"}, full_log="mimikatz sekurlsa")


DAY = lines(*(wazuh(n) for n in range(120)), *(attack(n) for n in range(200, 206)))


@pytest.fixture
def alerts(tmp_path: Path) -> Path:
    (tmp_path / "alerts.json").write_bytes(DAY)
    return tmp_path / "alerts.json"


# -- how it fails: one line, a code of its class, never a traceback ----------------------------


def put(folder: Path, **files: str | bytes) -> None:
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / name.replace("_", ".")).write_bytes(data)


FAILURES = [
    (3, ("gone.json",), "gone.json", {}),
    (3, ("empty_dir",), "", {}),
    (2, ("alerts.json", "--format", "yaml"), "'yaml'", {}),
    (2, ("alerts.json", "--source", "wazoo"), "wazuh", {}),
    (2, ("alerts.json", "--timezone", "Mars/Base"), "Mars/Base", {}),
    (2, ("alerts.json", "--miss-bound", "2"), "2.0", {}),
    (2, ("alerts.json", "--miss-bound", "0"), "0.0", {}),
    (2, ("alerts.json", "--day", "yesterday"), "yesterday", {}),
    (2, ("alerts.json", "--assets", "gone.toml"), "gone.toml", {}),
    (2, ("alerts.json", "--assets", "a.toml"), "a.toml:1", {"a_toml": "[[asset\n"}),
    (2, ("alerts.json", "--assets", "a.toml"), "a.toml:3", {"a_toml": '[[asset]]\nname = "x"\nhostname = "y"\n'}),
    (2, ("alerts.json", "--exceptions", "e.toml"), "would excuse everything",
     {"e_toml": '[[exception]]\nid = "E"\nreason = "all"\nexpires = 2026-12-31\n'}),
    (2, ("alerts.json", "--map", "m.toml"), "m.toml", {"m_toml": "x = 1\n"}),
    (4, ("alerts.json", "--out", "."), "not a usable state file", {"state_db": "no database at all " * 100}),
    (5, ("alerts.json", "--out", "file.x/out"), "file.x", {"file_x": ""}),
    (5, ("alerts.json", "--out", "file.x"), "file.x", {"file_x": ""}),
    (6, ("alerts.json", "--weights", "."), "no manifest", {}),
    (6, ("alerts.json", "--weights", "."), "manifest", {"manifest_json": "{}", "model_json": "{}"}),
    (2, ("alerts.json", "--every", "0.1"), "--every", {}),
    (2, ("alerts.json", "--nonsense"), "--nonsense", {}),
    (2, (), "inputs", {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "args", "words", "files"), FAILURES, ids=lambda v: " ".join(v) if isinstance(v, tuple) else None
)
def test_a_users_mistake_is_told_in_a_line(
    vedette: Vedette, alerts: Path, code: int, args: tuple[str, ...], words: str, files: dict[str, str]
) -> None:
    (alerts.parent / "empty_dir").mkdir()
    put(alerts.parent, **files)
    done = vedette("triage", *args)
    assert done.code == code, done.err
    assert "Traceback" not in done.err
    assert not done.out
    assert words in re.sub(r"\s+", " ", done.err)
    if done.err.startswith("vedette: "):
        assert done.err.count("\n") == 1
        assert done.err.rstrip().endswith(")"), "with a remedy"


def test_a_state_that_was_damaged_later_is_told_too(vedette: Vedette, alerts: Path) -> None:
    assert vedette("triage", "alerts.json").code == 0
    state = alerts.parent / "vedette-out" / "state.db"
    data = bytearray(state.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    state.write_bytes(data)
    done = vedette("triage", "alerts.json")
    assert (done.code, done.out) == (4, "")
    assert "Traceback" not in done.err
    assert "state.db" in done.err


def test_an_escape_in_a_name_does_not_reach_the_terminal(vedette: Vedette) -> None:
    done = vedette("triage", "\x1b[2Jgone.json")
    assert done.code == 3
    assert "\x1b" not in done.err


def test_a_full_disk(vedette: Vedette, alerts: Path) -> None:
    """Files may grow to 96 KB, as on a disk that fills up; with room again the run goes on to the same result."""
    alerts.write_bytes(lines(*(wazuh(n, full_log=f"{n} " * 60) for n in range(8_000)), *(attack(n) for n in range(9))))
    whole = vedette("triage", "alerts.json", "--out", "whole")
    limit = 96 * 1024
    narrow = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {resource.RLIM_INFINITY}))\n"
    done = vedette("triage", "alerts.json", before=narrow)
    assert (done.code, done.out) == (5, ""), done.err
    assert "state.db" in done.err
    assert "free space" in done.err
    again = vedette("triage", "alerts.json")
    assert (again.code, again.out) == (0, whole.out)
    for name in ("cases.jsonl", "report.html", "summary.json"):
        assert (alerts.parent / "vedette-out" / name).read_bytes() == (alerts.parent / "whole" / name).read_bytes()


def test_one_input_of_two_is_missing(vedette: Vedette, alerts: Path) -> None:
    done = vedette("triage", "alerts.json", "gone.json")
    assert done.code == 0
    assert "rejected 1" in done.out
    (kept,) = map(json.loads, (alerts.parent / "vedette-out" / "rejected.jsonl").read_text().splitlines())
    assert kept["ref"] == "gone.json"
    assert kept["remedy"]


def test_an_unknown_format_is_said_and_nothing_is_made_up(vedette: Vedette, alerts: Path) -> None:
    (alerts.parent / "other.json").write_text('{"a": 1}\n' * 30)
    done = vedette("triage", "other.json")
    said = " ".join((done.out + done.err).split())
    assert "unknown format (known: wazuh, suricata" in said
    assert "--map" in said
    assert "Traceback" not in said
    assert vedette("triage", "alerts.json", "--format", "jsonl").out.count('"id"') >= 2, (
        "and the next run is not spoilt"
    )


# -- what it prints ---------------------------------------------------------------------------


def test_jsonl(vedette: Vedette, alerts: Path) -> None:
    done = vedette("triage", "alerts.json", "--format", "jsonl")
    cases = [json.loads(line) for line in done.out.splitlines()]
    assert sum(case["alerts"] for case in cases) == 126
    assert cases[0]["hosts"] == ["ws-0"]
    assert done.out == (alerts.parent / "vedette-out" / "cases.jsonl").read_text()


def test_csv(vedette: Vedette, alerts: Path) -> None:
    done = vedette("triage", "alerts.json", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert sum(int(row["alerts"]) for row in rows) == 126


def test_markdown(vedette: Vedette, alerts: Path) -> None:
    done = vedette("triage", "alerts.json", "--format", "markdown")
    assert done.out.startswith("# ")
    assert "ws-0" in done.out


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_keeps_its_width_and_is_plain_in_a_pipe(vedette: Vedette, alerts: Path, width: int) -> None:
    done = vedette("triage", "alerts.json", "--width", width)
    assert done.code == 0
    assert max(map(len, done.out.splitlines())) <= width
    assert "\x1b" not in done.out + done.err
    assert "read 126 = in cases 126 + duplicates 0 + rejected 0" in " ".join(done.out.split())


def test_top_and_explain(vedette: Vedette, alerts: Path) -> None:
    one = vedette("triage", "alerts.json", "--top", "1", "--explain", "0").out
    every = vedette("triage", "alerts.json", "--top", "0", "--explain", "0").out
    told = vedette("triage", "alerts.json", "--top", "1", "--explain", "1").out
    assert "more case" in one
    assert "more case" not in every
    assert all(f"ws-{n}" in every for n in range(8))
    assert "why" in told
    assert "why" not in one


def test_techniques_mitigations_and_groups_are_named_from_the_store(vedette: Vedette, alerts: Path) -> None:
    for place, uids in enumerate((["T1003.001"], ["T1110.001"], ["T9999"])):
        record = attack(300 + place)
        record["rule"] = {**record["rule"], "mitre": {"id": uids}}  # type: ignore[dict-item]
        with alerts.open("ab") as file:
            file.write(lines(record))
    done = vedette("triage", "alerts.json")
    said = " ".join(done.out.split())
    assert "T1003.001 OS Credential Dumping: LSASS Memory" in said
    assert "T9999 (unverified)" in said
    assert "Password Policies" in said
    assert re.search(r"also used by G\d{4} \S.*; this is no attribution", said)
    background = json.loads((alerts.parent / "vedette-out" / "cases.jsonl").read_text().splitlines()[0])["background"]
    assert background["knowledge"].startswith("ATT&CK ")
    summary = json.loads((alerts.parent / "vedette-out" / "summary.json").read_text())
    assert summary["knowledge"] == background["knowledge"]

    (alerts.parent / "broken.db").write_bytes(b"no database at all")
    broken = "import os; os.environ['VEDETTE_KNOWLEDGE'] = 'broken.db'\n"
    without = vedette("triage", "alerts.json", "--out", "without", before=broken)
    assert (without.code, "Traceback" in without.err) == (0, False)
    assert "Mitigations and groups are missing: the knowledge store cannot be used:" in " ".join(without.out.split())
    assert "T1003.001 OS Credential Dumping: LSASS Memory" in (alerts.parent / "without" / "report.md").read_text()
    rows = [
        [(case["id"], case["probability"], case["rank"]) for case in map(json.loads, path.read_text().splitlines())]
        for path in (alerts.parent / "vedette-out" / "cases.jsonl", alerts.parent / "without" / "cases.jsonl")
    ]
    assert rows[0] == rows[1], "the store decides nothing"


def test_day(vedette: Vedette, alerts: Path) -> None:
    alerts.write_bytes(DAY + lines(wazuh(1, timestamp="2026-03-12T09:00:00+0000", id="later")))
    days = {}
    for day in ("2026-03-10", "2026-03-12", "2026-03-11"):
        done = vedette("triage", "alerts.json", "--format", "jsonl", "--day", day)
        assert done.code == 0
        days[day] = [json.loads(line) for line in done.out.splitlines()]
    assert sum(case["alerts"] for case in days["2026-03-10"]) == 126
    assert [case["alerts"] for case in days["2026-03-12"]] == [1]
    assert days["2026-03-11"] == []
    written = (alerts.parent / "vedette-out" / "cases.jsonl").read_text().splitlines()
    assert len(written) == len(days["2026-03-10"]) + 1, "the files hold all days"


def test_standard_input(vedette: Vedette, alerts: Path) -> None:
    piped = vedette("triage", "-", "--out", "piped", "--format", "csv", feed=DAY)
    read = vedette("triage", "alerts.json", "--out", "read", "--format", "csv")
    assert piped.code == 0
    rows = [[row["verdict"], row["alerts"], row["title"]] for row in csv.DictReader(io.StringIO(piped.out))]
    assert rows == [[row["verdict"], row["alerts"], row["title"]] for row in csv.DictReader(io.StringIO(read.out))]
    nothing = vedette("triage", "-", "--out", "nothing", feed=b"")
    assert (nothing.code, "No records were read" in nothing.out) == (0, True)


def test_a_second_run_and_a_copy_change_nothing(vedette: Vedette, alerts: Path) -> None:
    first = vedette("triage", "alerts.json")
    assert vedette("triage", "alerts.json").out == first.out
    (alerts.parent / "copy.json").write_bytes(DAY + lines(wazuh(1)))
    more = vedette("triage", "alerts.json", "copy.json")
    assert "in cases 126 + duplicates 127" in " ".join(more.out.split())


def test_broken_lines_are_kept_with_their_place(vedette: Vedette, alerts: Path) -> None:
    alerts.write_bytes(lines(wazuh(1), b'{"rule": {', wazuh(2), b"\xff\xfe\x00", wazuh(3)))
    done = vedette("triage", "alerts.json")
    assert done.code == 0
    assert "read 5 = in cases 3 + duplicates 0 + rejected 2" in " ".join(done.out.split())
    kept = [json.loads(line) for line in (alerts.parent / "vedette-out" / "rejected.jsonl").read_text().splitlines()]
    assert [r["ref"] for r in kept] == ["alerts.json:2", "alerts.json:4"]
    assert all(r["reason"] and r["remedy"] for r in kept)


def test_a_closed_pipe_is_no_error(alerts: Path) -> None:
    process = start(alerts.parent, "triage", "alerts.json", "--format", "markdown")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.wait(60) == 0
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
    assert (alerts.parent / "vedette-out" / "report.html").is_file(), "the files are written all the same"


# -- labels -----------------------------------------------------------------------------------


def test_labels(vedette: Vedette, alerts: Path) -> None:
    done = vedette("triage", "alerts.json", "--format", "jsonl")
    ids = [json.loads(line)["id"] for line in done.out.splitlines()]
    said = vedette("label", "benign", *ids[1:], "--note", "seen it")
    assert said.code == 0
    assert said.out.splitlines()[0] == f"{ids[1]} labelled benign (Wazuh|5715)"
    assert vedette("label", "attack", ids[0]).code == 0
    closed = vedette("triage", "alerts.json", "--format", "jsonl", "--miss-bound", "0.49")
    assert [bool(json.loads(line)["closed"]) for line in closed.out.splitlines()] == [False] + [True] * (len(ids) - 1)
    assert vedette("label", "attack", ids[-1]).code == 0
    again = vedette("triage", "alerts.json", "--format", "jsonl", "--miss-bound", "0.49")
    assert not any(json.loads(line)["closed"] for line in again.out.splitlines())


@pytest.mark.parametrize(
    ("code", "args", "words"),
    [
        (3, ("benign", "20260310-nothing"), "unknown case '20260310-nothing'"),
        (3, ("benign", "x", "--out", "elsewhere"), "run `vedette triage` first"),
        (2, ("harmless", "x"), "harmless"),
        (2, ("benign",), "cases"),
    ],
)
def test_a_wrong_label_is_refused(vedette: Vedette, alerts: Path, code: int, args: tuple[str, ...], words: str) -> None:
    assert vedette("triage", "alerts.json").code == 0
    done = vedette("label", *args)
    assert (done.code, done.out) == (code, "")
    assert words in done.err
    assert "Traceback" not in done.err


# -- following --------------------------------------------------------------------------------


def wait_for(what: Path, needle: str, seconds: float = 20) -> str:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if what.is_file() and needle in (text := what.read_text("utf-8")):
            return text
        time.sleep(0.05)
    raise AssertionError(f"{what.name} never held {needle!r}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_follow_a_growing_file_until_told_to_stop(alerts: Path, number: signal.Signals) -> None:
    summary = alerts.parent / "vedette-out" / "summary.json"
    process = start(alerts.parent, "triage", "alerts.json", "--follow", "--every", "0.5", "--explain", "0")
    try:
        wait_for(summary, '"in_cases": 126')
        with alerts.open("ab") as file:
            file.write(lines(*(wazuh(n, id=f"new-{n}") for n in range(10))))
        wait_for(summary, '"in_cases": 136')
        with alerts.open("ab") as file:
            file.write(lines(wazuh(1, id="last one")))
        time.sleep(0.8)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            process.kill()
    assert process.returncode == 0, err
    assert b"Traceback" not in err
    assert b"in cases 137" in out
    assert json.loads(summary.read_text())["counts"]["in_cases"] == 137


# -- help -------------------------------------------------------------------------------------


def commands() -> dict[str, object]:
    group = get_command(app)
    found = dict(group.commands)  # type: ignore[attr-defined]
    return found | {f"train {name}": c for name, c in found.pop("train").commands.items()}


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_option_and_argument_says_what_it_is(vedette: Vedette, name: str) -> None:
    command = commands()[name]
    assert command.help, name  # type: ignore[attr-defined]
    for parameter in command.params:  # type: ignore[attr-defined]
        assert parameter.name == "help" or parameter.help, f"{name} {parameter.name}"


def test_help_names_every_option(vedette: Vedette) -> None:
    text = vedette("triage", "--help").out
    for option in ("--out", "--source", "--map", "--timezone", "--assets", "--exceptions", "--model", "--miss-bound",
                   "--day", "--top", "--explain", "--format", "--width", "--follow", "--every",
                   "--no-experts"):  # fmt: skip
        assert option in text
    top = vedette("--help").out
    assert all(name.split()[0] in top for name in commands())
    assert re.fullmatch(r"vedette \d+\.\d+\.\S+\n", vedette("--version").out)


def test_the_installed_command_is_this_one() -> None:
    from importlib.metadata import entry_points

    (found,) = (e for e in entry_points(group="console_scripts") if e.name == "vedette")
    assert found.value == "vedette.cli:main"


def test_training_without_its_libraries_says_what_to_install(vedette: Vedette, tmp_path: Path) -> None:
    done = vedette(
        "train",
        "triage",
        "x.zip",
        "--benchmarks",
        "b",
        "--out",
        "o",
        before="import sys; sys.modules['numpy'] = None\n",
    )
    assert done.code == 2
    assert "pip install 'vedette[fit]'" in done.err


def test_an_out_folder_is_never_taken_for_input(vedette: Vedette, alerts: Path) -> None:
    first = vedette("triage", ".", "--format", "jsonl")
    assert sum(json.loads(line)["alerts"] for line in first.out.splitlines()) == 126
    assert vedette("triage", ".", "--format", "jsonl").out == first.out
    assert not (alerts.parent / "vedette-out" / "rejected.jsonl").exists()
