"""`vedette knowledge …` as users run it: what it prints, its exit codes, and how it fails."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from vedette.cli import app

from .conftest import NO_SOCKETS, Done, Vedette, command, environment


def kev(*cves: str, on: str = "2026-03-09", hostile: str = "") -> str:
    return json.dumps(
        {
            "catalogVersion": on.replace("-", "."),
            "dateReleased": f"{on}T00:00:00Z",
            "vulnerabilities": [
                {
                    "cveID": cve,
                    "vendorProject": "Example",
                    "product": "Logger",
                    "vulnerabilityName": f"Example Logger {cve[-4:]}{hostile}",
                    "dateAdded": "2021-12-10",
                    "shortDescription": f"Lookups reach out to servers that an attacker names.{hostile}",
                    "cwes": ["CWE-502"],
                }
                for cve in cves
            ],
        }
    )


EPSS = (
    "#model_version:v2025.03.14,score_date:2026-03-09T00:00:00+0000\n"
    "cve,epss,percentile\n"
    "CVE-2021-44228,0.94358,0.99967\n"
)
STORE = ("--store", "k.db")


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A folder with a store in it, and what its import said."""
    folder = tmp_path_factory.mktemp("knowledge")
    (folder / "in").mkdir()
    (folder / "in/kev.json").write_text(kev("CVE-2021-44228", "CVE-2020-0001"))
    (folder / "in/epss.csv").write_text(EPSS)
    (folder / "in/notes.txt").write_text("nothing")
    done = subprocess.run(
        command("knowledge", "import", "in", *STORE, before=NO_SOCKETS), cwd=folder, capture_output=True, timeout=120,
        env=environment(), check=False,
    )  # fmt: skip
    return folder, Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def imported(first: tuple[Path, Done], tmp_path: Path) -> Done:
    shutil.copytree(first[0], tmp_path, dirs_exist_ok=True)
    return first[1]


def document(done: Done) -> Any:
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_import_says_what_became_of_everything(vedette: Vedette, imported: Done) -> None:
    assert imported.code == 0, imported.err
    assert "3 records of 2 sources in" in imported.out
    assert "1 file without knowledge that Vedette reads; --list names them" in imported.out
    listed = vedette("knowledge", "import", "in", "--list", *STORE)
    assert "in/notes.txt" in listed.out
    assert "(the same file)" in listed.out
    assert "the store is as it was" in listed.out


def test_import_as_a_document(vedette: Vedette, imported: Done) -> None:
    found = document(vedette("knowledge", "import", "in", "--json", *STORE))
    assert {source["unit"]["source"]: source["same_file"] for source in found["sources"]} == {"kev": True, "epss": True}
    assert found["unclaimed"] == ["in/notes.txt"]
    assert found["new_store"] is False


def test_a_source_that_cannot_be_used_stops_no_other(vedette: Vedette, imported: Done, tmp_path: Path) -> None:
    (tmp_path / "in/kev.json").write_text(kev("CVE-1", "CVE-2", "x", "y", "z", "CVE-6", "CVE-7"))
    (tmp_path / "in/epss.csv").write_text(EPSS + "CVE-2020-0001,0.1,0.2\n")
    done = vedette("knowledge", "import", "in", *STORE)
    assert done.code == 3
    assert "failed: kev: " in done.out
    assert "the last good records stay" in done.err
    assert "Traceback" not in done.err
    page = document(vedette("knowledge", "show", "CVE-2020-0001", "--json", *STORE))
    assert [source["source"] for source in page["sources"]] == ["kev", "epss"]


def test_status(vedette: Vedette, imported: Done) -> None:
    shown = vedette("knowledge", "status", *STORE, before=NO_SOCKETS)
    assert shown.code == 0, shown.err
    assert "known sources that are not here: cvelist, " in shown.out
    found = document(vedette("knowledge", "status", "--json", *STORE))
    imported_units = [unit for unit in found["units"] if not unit["facts_only"]]
    assert [(unit["source"], unit["records"]) for unit in imported_units] == [("kev", 2), ("epss", 1)]
    assert "attack" in {unit["source"] for unit in found["units"]}  # as shipped facts


def test_show(vedette: Vedette, imported: Done) -> None:
    shown = vedette("knowledge", "show", "cve-2021-44228", *STORE, before=NO_SOCKETS)
    assert shown.code == 0, shown.err
    assert shown.out.startswith("CVE-2021-44228  Example Logger 4228\n")
    assert "\x1b" not in shown.out  # not a terminal
    assert "CWE-502  Deserialization of Untrusted Data" in shown.out
    assert "94.35 % in 30 days" in shown.out
    page = document(vedette("knowledge", "show", "CVE-2021-44228", "--json", *STORE))
    assert page["facts"][0]["facts"]["kev"]["added"] == "2021-12-10"


def test_search_quotes_what_can_be_checked(vedette: Vedette, imported: Done) -> None:
    found = document(
        vedette("knowledge", "search", "lookups attacker names servers", "--json", *STORE, before=NO_SOCKETS)
    )
    hit = next(hit for hit in found["hits"] if hit["source"] == "kev")
    texts = {"shortDescription": "Lookups reach out to servers that an attacker names."}
    assert texts[hit["field"]][hit["start"] : hit["end"]] == hit["text"]
    shown = vedette("knowledge", "search", "attacker names servers", "--limit", "1", "--kind", "vulnerability", *STORE)
    assert "[kev 2026.03.09, CVE-20" in shown.out


def test_diff_against_the_store_before(vedette: Vedette, imported: Done, tmp_path: Path) -> None:
    assert vedette("knowledge", "diff", *STORE).code == 3  # nothing was there before
    (tmp_path / "in/kev.json").write_text(kev("CVE-2021-44228", "CVE-2022-0002", on="2026-03-10"))
    assert vedette("knowledge", "import", "in", *STORE).code == 0
    (unit,) = (u for u in document(vedette("knowledge", "diff", "--json", *STORE))["units"] if u["unit"] == "kev")
    assert (unit["added"], unit["removed"], unit["changed"]) == (["CVE-2022-0002"], ["CVE-2020-0001"], [])
    shown = vedette("knowledge", "diff", "k.db.previous", *STORE)
    assert "added: CVE-2022-0002" in shown.out


def test_check_ids(vedette: Vedette, imported: Done, tmp_path: Path) -> None:
    text = b"CVE-2021-44228 and cve 2020-0001, but not CVE-1234-5"
    found = document(vedette("knowledge", "check-ids", "-", "--json", *STORE, feed=text))["ids"]
    assert [(one["id"], one["state"]) for one in found][:2] == [
        ("CVE-2021-44228", "exists"),
        ("CVE-2020-0001", "exists"),
    ]
    (tmp_path / "t.txt").write_bytes(b"nothing \xff here")
    assert vedette("knowledge", "check-ids", "t.txt", *STORE).out == "No ids found.\n"


def test_a_bundle_goes_from_site_to_site(vedette: Vedette, imported: Done, tmp_path: Path) -> None:
    made = vedette("knowledge", "keygen", "keys")
    assert made.code == 0, made.err
    sign = ("--sign", "keys/vedette.key.pem")
    done = vedette("knowledge", "export", "out.vkb", *sign, *STORE, before=NO_SOCKETS)
    assert done.code == 0, done.err
    assert "3 records of 2 sources, signed with the key " in done.out
    public = ("--key", "keys/vedette.pub.pem")
    taken = vedette("knowledge", "import", "out.vkb", *public, "--store", "new.db", before=NO_SOCKETS)
    assert taken.code == 0, taken.err
    content = [
        sorted((unit["source"], unit["records"], unit["read"]) for unit in found["units"])
        for found in (document(vedette("knowledge", "status", "--json", "--store", db)) for db in ("k.db", "new.db"))
    ]
    assert content[0] == content[1]
    whole = (tmp_path / "out.vkb").read_bytes()
    (tmp_path / "out.vkb").write_bytes(whole[:-200] + b"x" + whole[-199:])
    for options in (public, (), ("--allow-unsigned",)):
        refused = vedette("knowledge", "import", "out.vkb", *options, "--store", "new.db")
        assert refused.code == 6, refused.err
        assert "Traceback" not in refused.err


def test_verify(vedette: Vedette, imported: Done, tmp_path: Path) -> None:
    done = vedette("knowledge", "verify", *STORE)
    assert (done.code, done.out.splitlines()[0]) == (0, "k.db: whole, 11,972 records of 10 sources")
    assert document(vedette("knowledge", "verify", "--json", *STORE))["records"] == 11_972
    connection = sqlite3.connect(tmp_path / "k.db")
    connection.execute("UPDATE record SET digest = zeroblob(16)")
    connection.commit()
    connection.close()
    damaged = vedette("knowledge", "verify", *STORE)
    assert damaged.code == 6
    assert "is damaged" in damaged.err


def test_nothing_that_a_publisher_writes_reaches_the_terminal(vedette: Vedette, tmp_path: Path) -> None:
    (tmp_path / "kev.json").write_text(kev("CVE-2021-44228", hostile=" \x1b[2J\x1b]0;pwned\x07\u202e\x9b31m"))
    assert vedette("knowledge", "import", "kev.json", *STORE).code == 0
    for args in (("show", "CVE-2021-44228"), ("show", "CVE-2021-44228", "--json"), ("search", "lookups"), ("status",)):
        done = vedette("knowledge", *args, *STORE)
        assert done.code == 0, done.err
        assert not set("\x1b\x07\u202e\x9b") & set(done.out)


FAILURES = [
    (3, ("import", "gone.json"), "no such file"),
    (3, ("import", "empty.txt"), "nothing that Vedette knows to read"),
    (6, ("import", "broken.vkb"), "broken.vkb"),
    (2, ("import", "broken.vkb", "--key", "gone.pem"), "gone.pem"),
    (3, ("show", "T9999"), "'T9999' is not in the store"),
    (3, ("show", "\x1b[2Jxyzzy"), "no id and no name '\\x1b[2Jxyzzy'"),
    (2, ("search", "x", "--kind", "techniqe"), "did you mean 'technique'?"),
    (2, ("search", "x", "--mode", "vector"), "did you mean 'vectors'?"),
    (2, ("search", "x", "--since", "yesterday"), "'yesterday' is no day"),
    (2, ("search", "x", "--limit", "0"), "--limit"),
    (3, ("path", "T9999", "mitigation"), "T9999"),
    (3, ("diff", "gone.db"), "gone.db"),
    (3, ("check-ids", "gone.txt"), "gone.txt"),
    (2, ("export", "out.vkb"), "--sign KEY or --unsigned"),
    (2, ("export", "out.vkb", "--sign", "gone.pem"), "gone.pem"),
    (2, ("export", "k.db", "--unsigned"), "that is the store itself"),
    (4, ("diff", "."), ".: a folder, not a knowledge store"),
    (2, ("sync", "nope"), "no address to fetch 'nope' from"),
]


@pytest.mark.parametrize(
    ("code", "args", "words"), FAILURES, ids=lambda v: " ".join(v) if isinstance(v, tuple) else None
)
def test_a_users_mistake_is_told_in_a_line(
    vedette: Vedette, imported: Done, tmp_path: Path, code: int, args: tuple[str, ...], words: str
) -> None:
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "broken.vkb").write_bytes(b"PK\x03\x04 no bundle")
    done = vedette("knowledge", *args, *STORE, before=NO_SOCKETS)
    assert done.code == code, done.err
    assert words in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("name", ["../x", "", ".", "a/b"])
def test_keys_stay_in_their_folder(vedette: Vedette, tmp_path: Path, name: str) -> None:
    done = vedette("knowledge", "keygen", "keys", "--name", name)
    assert (done.code, list(tmp_path.iterdir())) == (2, []), done.err
    assert f"'{name}' cannot begin a file's name" in done.err


def test_a_kind_may_be_written_as_it_is_printed(vedette: Vedette, imported: Done) -> None:
    printed, written = (
        vedette("knowledge", "search", "shell", "--kind", kind, *STORE) for kind in ("Attack pattern", "attack-pattern")
    )
    assert (printed.code, printed.out) == (0, written.out)


def test_ctrl_c_is_answered_in_a_line(vedette: Vedette, tmp_path: Path) -> None:
    (tmp_path / "kev.json").write_text(kev("CVE-2026-0001"))
    stop = "import vedette.knowledge.build as b\ndef stop(*_, **__): raise KeyboardInterrupt\nb.import_sources = stop\n"
    done = vedette("knowledge", "import", "kev.json", *STORE, before=stop)
    assert (done.code, done.err.splitlines()) == (
        130, ["vedette: stopped; the store is whole: run the same command again"],
    )  # fmt: skip


@pytest.mark.parametrize("content", [b"", b"no database at all " * 1000])
@pytest.mark.parametrize("args", [("status",), ("show", "T1059"), ("search", "x"), ("path", "T1059", "mitigation")])
def test_a_file_that_is_no_store(vedette: Vedette, tmp_path: Path, content: bytes, args: tuple[str, ...]) -> None:
    (tmp_path / "k.db").write_bytes(content)
    done = vedette("knowledge", *args, *STORE)
    assert done.code == 4, done.err
    assert "k.db: " in done.err
    assert "Traceback" not in done.err
    assert vedette("knowledge", "verify", *STORE).code == 6


def test_a_dry_run_lists_addresses_and_opens_no_socket(vedette: Vedette, tmp_path: Path) -> None:
    done = vedette("knowledge", "sync", "kev", "--dry-run", *STORE, before=NO_SOCKETS)
    assert done.code == 0, done.err
    (line,) = done.out.splitlines()
    assert line.startswith("kev\thttps://")
    assert not (tmp_path / "k.db").exists()


def test_a_store_is_there_from_the_first_question(
    vedette: Vedette, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VEDETTE_KNOWLEDGE", str(tmp_path / "own" / "k.db"))
    done = vedette("knowledge", "show", "T1059.001", before=NO_SOCKETS)
    assert done.code == 0, done.err
    assert done.out.startswith("T1059.001  ")
    assert "shipped facts only" in " ".join(done.out.split())
    assert (tmp_path / "own" / "k.db").is_file()


def test_a_mistyped_store_is_not_made(vedette: Vedette, tmp_path: Path) -> None:
    done = vedette("knowledge", "show", "T1059.001", "--store", "nowhere/k.db")
    assert done.code == 4
    assert "there is no store here" in done.err
    assert not (tmp_path / "nowhere").exists()


def test_an_empty_question_is_none(vedette: Vedette, imported: Done) -> None:
    done = vedette("knowledge", "search", " ", *STORE)
    assert (done.code, done.out) == (2, "")


def test_every_command_and_option_has_a_help_text() -> None:
    group = get_command(app).commands["knowledge"]  # type: ignore[attr-defined]
    for name, one in group.commands.items():
        assert one.help, name
        for option in one.params:
            assert getattr(option, "help", ""), f"{name} {option.name}"
