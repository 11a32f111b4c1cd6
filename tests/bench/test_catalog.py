"""The benchmarks and their files: what is published is read whole, anything else is named."""

from __future__ import annotations

import io
import tarfile
from hashlib import sha256
from pathlib import Path

import orjson
import pytest

from vedette.bench.catalog import Benchmark, benchmark, benchmarks, found, items, scripts
from vedette.bench.items import Item, Kind
from vedette.bench.protocol import PROTOCOLS, answer_of, fits, prompt_of
from vedette.bench.scoring import score
from vedette.bench.suites.own import TASKS
from vedette.errors import ConfigError, InputError

MCQ = "URL\tQuestion\tOption A\tOption B\tOption C\tOption D\tPrompt\tGT\n"
ROW = "https://attack.mitre.org/x\tWhich?\tone\ttwo\tthree\tfour\tPick one: Which?\tb\n"


def own(reader: str, kind: Kind, file: str, **more: object) -> Benchmark:
    content = {"name": "own", "title": "Own", "reader": reader, "kind": kind, "files": {file: ""}}
    return Benchmark.model_validate({"licence": "own", "source": "here", **content, **more})


def read(tmp_path: Path, reader: str, kind: Kind, content: str | bytes, name: str = "own.tsv") -> list[Item]:
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return items(own(reader, kind, name), tmp_path)


def test_the_catalog_is_whole() -> None:
    known = benchmarks()
    assert len(known) >= 20
    for name, one in known.items():
        assert name == one.name == name.lower()
        assert one.licence
        assert one.source.startswith("https://")
        assert benchmark(name.replace("-", "_")) is one
    with pytest.raises(ConfigError, match=r"'cti-rmc'.*cti-rcm"):
        benchmark("cti-rmc")


def test_scripts_are_where_the_catalog_says() -> None:
    root = Path(__file__).resolve().parents[2]
    if not (root / "Makefile").exists():
        pytest.skip("not in a source tree")
    targets = (root / "Makefile").read_text().splitlines()
    assert not set(scripts()) & set(benchmarks())
    for name, script in scripts().items():
        if script.command.startswith("make "):
            target = script.command.removeprefix("make ")
            assert any(line.startswith(f"{target}:") for line in targets), name
        else:
            assert (root / script.command.split()[1]).is_file(), name
        document, _, heading = script.figures.partition(", ")
        lines = (root / document).read_text().splitlines()
        assert not heading or f"## {heading}" in lines, name
        with pytest.raises(ConfigError, match=f"'{name}' asks no model.*{script.command.split()[1]}"):
            benchmark(name)


def test_published_files_are_read_whole(shared: Path) -> None:
    for one in benchmarks().values():
        if not one.files or not found(one, shared / "data"):
            continue
        every = items(one, shared / "data")
        assert len(every) == one.items, one.name
        assert len({item.id for item in every}) == len(every), one.name
        for item in every[:40]:
            assert item.kind is one.kind
            assert item.prompt
            outcome = score(item, answer_of(item))
            assert outcome.value == (0 if item.kind in (Kind.VECTOR, Kind.SCORE) else 1), (one.name, item.id)


def test_multiple_choice(tmp_path: Path) -> None:
    (one,) = read(tmp_path, "cti_bench:choices", Kind.CHOICE, MCQ + ROW)
    assert (one.right, one.choices[1], one.letters, one.slices) == (("B",), "two", "ABCD", {"about": "ATT&CK"})
    assert one.prompt == "Pick one: Which?"


def test_a_changed_file_is_not_measured_on(tmp_path: Path) -> None:
    path = tmp_path / "own.tsv"
    path.write_text(MCQ + ROW)
    which = own("cti_bench:choices", Kind.CHOICE, "own.tsv", files={"own.tsv": sha256(path.read_bytes()).hexdigest()})
    assert len(items(which, tmp_path)) == 1
    path.write_text(MCQ + ROW + ROW)
    with pytest.raises(InputError, match=r"not the published version.*here"):
        items(which, tmp_path)
    assert len(items(which, tmp_path, any_version=True)) == 2


def test_another_number_of_items_is_not_the_benchmark(tmp_path: Path) -> None:
    (tmp_path / "own.tsv").write_text(MCQ + ROW)
    with pytest.raises(InputError, match="1 items, wanted 2"):
        items(own("cti_bench:choices", Kind.CHOICE, "own.tsv", items=2), tmp_path)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("URL\tQuestion\n", "no column 'Prompt'"),
        (MCQ + ROW.replace("\tb\n", "\tE\n"), r"own\.tsv:2.*'E'"),
        (b"\xff\xfe\x00", "no UTF-8"),
        ("<html><body>not found</body></html>", "no column"),
    ],
)
def test_what_is_no_benchmark_is_named(tmp_path: Path, content: str | bytes, match: str) -> None:
    with pytest.raises(InputError, match=match):
        read(tmp_path, "cti_bench:choices", Kind.CHOICE, content)


def test_a_missing_file_is_named_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cti-bench/cti-mcq\.tsv.*github\.com"):
        items(benchmark("cti-mcq"), tmp_path)
    assert not found(benchmark("cti-mcq"), tmp_path)


def test_the_key_of_actors_has_as_many_rows(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("URL\tText\tPrompt\nhttps://x\tA report\tWho?\n")
    (tmp_path / "b.tsv").write_text("GT\nAPT28 \n")
    both = own("cti_bench:actors", Kind.ACTOR, "a.tsv", files={"a.tsv": "", "b.tsv": ""}, together=True)
    (one,) = items(both, tmp_path)
    assert (one.right, one.text) == (("APT28",), "A report")
    (tmp_path / "b.tsv").write_text("GT\nAPT28\nTurla\n")
    with pytest.raises(InputError, match="2 answers for 1 reports"):
        items(both, tmp_path)


def test_athena_lines(tmp_path: Path) -> None:
    lines = [
        {"prompt": "Analyze.\nScenario:\nIt ran hh.exe.", "answer": "M1021, M1038"},
        {"prompt": "Analyze.", "description": "It ran.", "answer": "M1042", "cve_id": "CVE-2025-1"},
    ]
    content = b"\n".join(orjson.dumps(line) for line in lines)
    first, second = read(tmp_path, "athena:mitigations", Kind.MITIGATIONS, content, "a.jsonl")
    assert (first.right, first.text, second.text, second.id) == (
        ("M1021", "M1038"), "It ran hh.exe.", "It ran.", "CVE-2025-1",
    )  # fmt: skip
    options = {f"option_{letter}": letter for letter in "abcde"}
    row = {"prompt": "?", "question": "Which?", "answer": "E", **options}
    (one,) = read(tmp_path, "athena:choices", Kind.CHOICE, orjson.dumps(row), "a.jsonl")
    assert (one.letters, one.choices, one.text) == ("ABCDE", tuple("abcde"), "Which?")
    with pytest.raises(InputError, match=r"a\.jsonl:2: no 'answer'"):
        read(tmp_path, "athena:choices", Kind.CHOICE, orjson.dumps(row) + b'\n{"prompt": "?"}', "a.jsonl")
    with pytest.raises(InputError, match="no JSON"):
        read(tmp_path, "athena:choices", Kind.CHOICE, b"{", "a.jsonl")


def test_cybermetric_and_seceval(tmp_path: Path) -> None:
    asked = {"question": "Which?", "answers": dict(zip("ABCD", "wxyz", strict=True)), "solution": "C"}
    (one,) = read(tmp_path, "cybermetric:choices", Kind.CHOICE, orjson.dumps({"questions": [asked]}), "c.json")
    assert one.right == ("C",)
    assert "C) y" in one.prompt
    several = {"id": "q", "question": "Which?", "choices": ["A: w", "B: x", "C: y", "D: z"], "answer": "CA"}
    (one,) = read(tmp_path, "seceval:choices", Kind.CHOICES, orjson.dumps([several]), "s.json")
    assert (one.right, one.choices[0]) == (("A", "C"), "w")
    for content in (b"{}", b"[{}]", b"3"):
        with pytest.raises(InputError, match=r"c\.json"):
            read(tmp_path, "cybermetric:choices", Kind.CHOICE, content, "c.json")


def test_a_table_in_an_archive(tmp_path: Path) -> None:
    table = b"Prompt\tCVSS v3 Vector String\tCorrect Answer\nCalculate.\tAV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H\t7.5\n"
    with tarfile.open(tmp_path / "s.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("Dataset/S - CPST.tsv")
        entry.size = len(table)
        archive.addfile(entry, io.BytesIO(table))
    (one,) = items(own("secure:scores", Kind.SCORE, "s.tar.gz#S - CPST.tsv"), tmp_path)
    assert (one.right, one.text) == (("7.5",), "AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H")
    with pytest.raises(InputError, match="no 'S - MAET'"):
        items(own("secure:scores", Kind.SCORE, "s.tar.gz#S - MAET"), tmp_path)


@pytest.mark.facts
@pytest.mark.parametrize("name", [name for name in TASKS if name not in ("rule", "impact", "component")])
def test_own_questions_are_made_from_facts(name: str) -> None:
    which = benchmark(f"own-{name}")
    every = items(which, Path("nowhere"))
    assert every == items(which, Path("nowhere"))
    assert len(every) >= 50
    assert len({item.id for item in every}) == len(every)
    places = [item.right[0] for item in every]
    for letter in "ABCD":
        assert 0.12 < places.count(letter) / len(places) < 0.4
    for item in every:
        assert len(set(item.choices)) == 4
        assert item.text in item.prompt


def test_protocols_differ_in_what_is_asked() -> None:
    every = [Item(id=str(n), kind=Kind.CHOICE, prompt=f"Question {n}", right=("B",), letters="ABCD") for n in range(9)]
    asked = {name: prompt_of(every[0], protocol, every) for name, protocol in PROTOCOLS.items()}
    assert asked["zero-shot"] == asked["no-reasoning"] == asked["open-book"] == "Question 0"
    assert asked["likelihood"] == "Question 0\nAnswer:"
    shown = asked["five-shot"]
    assert shown.count("\nB\n") == 5
    assert shown.endswith("Question 0")
    assert shown.count("Question 0") == 1
    told = prompt_of(every[0], PROTOCOLS["open-book"], every, ["A passage."])
    assert told == "These passages may help:\n\nA passage.\n\nQuestion 0"
    assert fits(PROTOCOLS["likelihood"], Kind.CHOICE)
    assert not fits(PROTOCOLS["likelihood"], Kind.VECTOR)
