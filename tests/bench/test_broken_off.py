"""A run that is killed, or whose disk fills: what has been answered is kept, and is not asked again."""

from __future__ import annotations

import errno
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from arro3.io import read_parquet

from vedette.bench import direct
from vedette.bench.asked import Asked
from vedette.bench.journal import NAME, Answer, Journal
from vedette.bench.measured import RECORDS, Measured, read
from vedette.bench.models import Constant
from vedette.bench.protocol import PROTOCOLS
from vedette.errors import InputError, OutputError
from vedette.manifest import output_error

from .server import Server, said

TEXTS = {
    "CWE-89": "SQL injection in the search form lets remote attackers read the database",
    "CWE-79": "Stored cross-site scripting in the comment form lets users run script in the browser of others",
}
ITEMS = 150
ABOUT = {"model": "m", "items": "0", "vedette": "1"}
MODEL = ("--model", "vedette/experts")
RUN = "cti-rcm.vedette-experts.zero-shot"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data/cti-bench"
    folder.mkdir(parents=True)
    lines = ["URL\tDescription\tPrompt\tGT"]
    for n in range(ITEMS):
        weakness = sorted(TEXTS)[n % 2]
        text = f"{TEXTS[weakness]} of version {n}"
        lines.append(f"https://nvd.nist.gov/vuln/detail/CVE-2024-1{n:04}\t{text}\tMap to a CWE: {text}\t{weakness}")
    (folder / "cti-rcm.tsv").write_text("\n".join(lines) + "\n")
    return tmp_path / "data"


class Command:
    """`vedette bench run cti-rcm` in a process of its own."""

    def __init__(self, data: Path, out: Path, *more: str, bytes_most: int = 0) -> None:
        options = ("--data", str(data), "--out", str(out), "--any-version", *more)
        limits = (bytes_most or resource.RLIM_INFINITY,) * 2
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from vedette.cli import main; main()", "bench", "run", "cti-rcm", *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits),
        )  # fmt: skip

    def kill_when(self, reached: Callable[[], bool]) -> None:
        while not reached():
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.005)
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def done(self) -> tuple[int, str]:
        out, err = self.process.communicate(timeout=120)
        return self.process.returncode, out + err


def answered(out: Path) -> list[bytes]:
    path = out / RUN / NAME
    return path.read_bytes().splitlines(keepends=True)[1:] if path.exists() else []


def seconds(out: Path) -> list[float]:
    return [float(told) for told in read_parquet(out / RUN / RECORDS).read_all()["seconds"].to_pylist()]


def undisturbed(data: Path, out: Path) -> Measured:
    assert Command(data, out, *MODEL).done()[0] == 0
    return read(out / RUN)


def alike(a: Measured, b: Measured) -> bool:
    return (a.rows, a.item_set, a.calibration) == (b.rows, b.item_set, b.calibration)


def test_killed_and_resumed(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    Command(data, out, *MODEL).kill_when(lambda: len(answered(out)) > ITEMS // 5)
    kept = [line for line in answered(out) if line.endswith(b"\n")]
    assert ITEMS // 5 < len(kept) < ITEMS
    with (out / RUN / NAME).open("ab") as file:
        file.write(b'{"item":"CVE-')  # torn in the middle
    code, told = Command(data, out, *MODEL).done()
    assert code == 0, told
    assert f"n = {ITEMS}" in told
    expected = undisturbed(data, tmp_path / "whole")
    assert alike(read(out / RUN), expected)
    times = seconds(out)
    assert times[: len(kept)] == [float(line.split(b'"seconds":')[1].split(b",")[0]) for line in kept], "asked again"
    assert not (out / RUN / NAME).exists()


def test_a_full_disk_is_named_and_the_run_goes_on_after_it(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, told = Command(data, out, *MODEL, bytes_most=4_096).done()
    assert code == OutputError.exit_code, told
    assert NAME in told
    assert "Traceback" not in told
    kept = len(answered(out))
    assert 10 < kept < ITEMS
    code, told = Command(data, out, *MODEL).done()
    assert code == 0, told
    assert alike(read(out / RUN), undisturbed(data, tmp_path / "whole"))


def test_a_disk_that_fills_when_scores_are_written(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    asked = Asked(model="vedette/constant", way=PROTOCOLS["zero-shot"], data=data, any_version=True)

    def full(*_: object) -> NoReturn:
        raise output_error(tmp_path / RECORDS, OSError(errno.ENOSPC, "No space left on device"))

    with monkeypatch.context() as patch:
        patch.setattr(direct, "write", full)
        with pytest.raises(OutputError, match=r"records.*free some space"):
            list(direct.run(["cti-rcm"], asked, tmp_path))
    monkeypatch.setattr(Constant, "answer", None)  # it would be called where something is asked again
    ((told, _),) = direct.run(["cti-rcm"], asked, tmp_path)
    assert (told.n, told.headline["value"], told.joules) == (ITEMS, 0.5, {})


def test_a_journal_of_something_else_is_thrown_away(tmp_path: Path) -> None:
    with Journal(tmp_path, ABOUT) as journal:
        journal.keep(Answer(item="1", reply="CWE-79", seconds=0.1))
    with Journal(tmp_path, ABOUT) as journal:
        assert journal.answers["1"].reply == "CWE-79"
    for other in ({**ABOUT, "model": "n"}, {**ABOUT, "items": "1"}):
        with Journal(tmp_path, other) as journal:
            assert not journal.answers


@pytest.mark.parametrize("rest", [b"{", b"\xff\n", b'{"item":"2","reply":"x","seconds":1}', b"[]\n", b"\n"])
def test_a_torn_line_is_written_again(tmp_path: Path, rest: bytes) -> None:
    with Journal(tmp_path, ABOUT) as journal:
        journal.keep(Answer(item="1", reply="a\nb", seconds=0.1, probability=0.5))
    whole = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(whole + rest)
    with Journal(tmp_path, ABOUT) as journal:
        assert list(journal.answers) == ["1"]
        journal.keep(Answer(item="3", reply="c", seconds=0.1))
    with Journal(tmp_path, ABOUT) as journal:
        assert list(journal.answers) == ["1", "3"]


def test_no_place_to_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        Journal(tmp_path / "file/run", ABOUT)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    def slowly(prompt: str) -> tuple[int, bytes]:
        time.sleep(0.05)
        return 200, said("CWE-89" if "SQL" in prompt else "CWE-20")

    monkeypatch.setenv("LOCAL_API_KEY", "none")
    made = Server(slowly)
    yield made
    made.close()


@pytest.mark.bench
@pytest.mark.filterwarnings("default")
def test_inspect_killed_and_resumed(data: Path, tmp_path: Path, server: Server) -> None:
    pytest.importorskip("inspect_ai")
    pytest.importorskip("openai")
    out = tmp_path / "out"
    asking = ("--model", "openai-api/local/tiny", "--address", server.address, "--limit", "60", "--connections", "2")
    Command(data, out, *asking).kill_when(lambda: server.asked >= 25)
    before = server.asked
    code, told = Command(data, out, *asking).done()
    assert code == 0, told
    assert "accuracy 50.0" in told
    assert "n = 60" in told
    again = server.asked - 60
    assert before < 60
    assert again <= 4, "no more than was under way or not yet written"
    server.asked = 0
    code, told = Command(data, out, *asking).done()
    assert (code, server.asked) == (0, 0), told


@pytest.mark.bench
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("most", [20_000, 120_000])  # before anything is asked; while it is asked
def test_inspect_on_a_full_disk(data: Path, tmp_path: Path, server: Server, most: int) -> None:
    pytest.importorskip("inspect_ai")
    pytest.importorskip("openai")
    where = ("--model", "openai-api/local/tiny", "--address", server.address, "--no-progress")
    asking = (*where, "--limit", "20", "--connections", "2")
    code, told = Command(data, tmp_path / "out", *asking, bytes_most=most).done()
    assert code == (OutputError if most < 100_000 else InputError).exit_code, told
    assert re.search(r"disk I/O error|File too large|disk is full", told), told
    assert "run the same command again" in told
    assert "Traceback" not in told, told
    code, told = Command(data, tmp_path / "out", *asking).done()
    assert (code, "n = 20" in told) == (0, True), told
