"""Who called a CVE what; which sentences teach, which measure."""

from __future__ import annotations

import gzip
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

pytest.importorskip("numpy")

from vedette.experts.labels import METRICS, Convention, Domain
from vedette.train.experts_cves import COMMON, Cve, chosen, convention, vectors_of, weaknesses_of

VECTOR = "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N"


def test_conventions_follow_source_and_year() -> None:
    assert convention("nvd2020", 2020) is Convention.NVD
    assert convention("nvd2020", 2015) is Convention.NVD_2018
    assert convention("vulnrich2024", 2015) is Convention.CNA
    assert convention("top25", 2021) is Convention.MITRE


def test_shares_add_up_and_no_label_is_no_label() -> None:
    shares = weaknesses_of(["nvd2020:CWE-79", "nvd2021:CWE-79", "redhat2024:CWE-20", "redhat2024:CWE-707"], 2020)
    assert shares[Convention.NVD] == {"CWE-79": 1.0}
    assert shares[Convention.ANY] == pytest.approx({"CWE-79": 0.5, "CWE-20": 0.25, "CWE-707": 0.25})
    assert weaknesses_of(["nvd2020:CWE-noinfo", "nvd2020:CWE-Other"], 2020) == {}
    assert Convention.ANY not in weaknesses_of(["nvd2020:CWE-119"], 2012)


def test_vectors_are_places_of_values() -> None:
    found = vectors_of([f"nvd2020|{VECTOR}", "redhat2024|CVSS:3.1/AV:N/AC:L", "redhat2024|nonsense"], 2020)
    values = dict(part.split(":") for part in VECTOR.split("/")[1:])
    assert found == {Convention.NVD: tuple(order.index(values[name]) for name, order in METRICS.items())}


def test_nvds_habits_with_vectors_are_older_than_those_with_weaknesses() -> None:
    assert vectors_of([f"nvd2020|{VECTOR}"], 2016).keys() == {Convention.NVD}
    assert vectors_of([f"nvd2020|{VECTOR}"], 2015).keys() == {Convention.NVD_2018}
    assert weaknesses_of(["nvd2020:CWE-79"], 2016).keys() == {Convention.NVD_2018}


def _cve(number: int, year: int, weakness: str) -> Cve:
    return Cve(f"CVE-{year}-{number}", "text", year, {Convention.ANY: {weakness: 1.0}}, {}, (-1, -1, -1))


def test_recent_and_rare_ones_stay() -> None:
    common = [_cve(i, 2020, "CWE-79") for i in range(COMMON)]
    rare = [_cve(i, 2021, "CWE-502") for i in range(50)]
    old = [_cve(i, 2010, "CWE-20") for i in range(1000)]
    rated = [replace(_cve(i, 2017, "CWE-20"), vectors={Convention.NVD: (0,) * 8}) for i in range(1000)]
    kept = chosen([*common, *rare, *old, *rated], Random(1), older=0.1, rated=0.6, common=0.5)
    assert sum(cve.year == 2021 for cve in kept) == 50
    assert 60 < sum(cve.year == 2010 for cve in kept) < 140
    assert 540 < sum(cve.year == 2017 for cve in kept) < 660
    assert 0.45 * COMMON < sum(cve.year == 2020 for cve in kept) < 0.55 * COMMON


def _archive(path: Path, files: dict[str, object]) -> Path:
    import io

    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            data = json.dumps(content).encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def _thing(uid: str, kind: str, external: str, name: str, **more: object) -> dict[str, object]:
    references = [{"source_name": "mitre-attack", "external_id": external}]
    return {"id": uid, "type": kind, "name": name, "external_references": references, **more}


def _uses(source: str, target: str, text: str) -> dict[str, object]:
    return {
        "id": f"relationship--{source}{target}", "type": "relationship", "relationship_type": "uses",
        "source_ref": source, "target_ref": target, "description": text,
    }  # fmt: skip


def _bundle(path: Path, *objects: dict[str, object]) -> Path:
    path.write_bytes(gzip.compress(json.dumps({"type": "bundle", "objects": objects}).encode()))
    return path


def _attack(path: Path) -> Path:
    objects = [
        _thing("a1", "attack-pattern", "T1003", "Credential Dumping", description="Somebody reads a process's memory."),
        _thing("a2", "attack-pattern", "T1003.001", "LSASS Memory", description=""),
        _thing("a3", "attack-pattern", "T9999", "Gone", revoked=True),
        _thing("m1", "malware", "S0001", "Held Out"),
        _thing("m2", "malware", "S0002", "Sample Stealer"),
        _uses("m1", "a1", "[Held Out](https://example.org) reads credentials out of the memory of a process."),
        _uses("m2", "a2", "[Sample Stealer](https://example.org) opens the process and writes its memory to a file."),
        _uses("m2", "a3", "[Sample Stealer](https://example.org) does what nobody lists any more in any way."),
    ]
    return _bundle(path, *objects)


def test_sentences_of_a_benchmarks_software_never_train(tmp_path: Path) -> None:
    from vedette.train.encoder_texts import Guard
    from vedette.train.experts_sentences import collect

    bench = tmp_path / "bench"
    bench.mkdir()
    (bench / "cti-ate.tsv").write_text("URL\tText\nhttps://attack.mitre.org/software/S0001/\twhatever it was\n")
    tram = _archive(
        tmp_path / "tram.tar.gz",
        {
            "data/tram2-data/single_label.json": [
                {"text": "It dumps the memory of lsass", "label": "T1003.001", "doc_title": "Some: Report"}
            ],
            "data/training/tram2_data/mjson_files/Some Report.mjson": {
                "signal": "It dumps the memory of lsass.\nThe vendor was informed in spring.",
                "asets": [{"type": "LSASS Memory (T1003.001)", "annots": [[0, 28]]}],
            },
        },
    )
    annoctr = _archive(tmp_path / "annoctr.tar.gz", {"all/x_w_neg.json": {}})
    attack = {
        Domain.ENTERPRISE: _attack(tmp_path / "attack.json.gz"),
        Domain.MOBILE: _bundle(
            tmp_path / "mobile.json.gz",
            _thing("p1", "attack-pattern", "T1429", "Audio Capture", description=""),
            _thing("m3", "malware", "S0003", "Sample Listener"),
            _uses("m3", "p1", "[Sample Listener](https://example.org) turns on the microphone of the phone."),
        ),
    }
    found = collect(attack, tram, annoctr, Guard(bench))
    together = [*found.train, *found.dev, *found.test]
    texts = {s.text: s.techniques for s in together}
    assert found.counts["sentences: of a benchmark's software"] == 1
    assert not any("reads credentials out of" in text for text in texts)
    assert sum("opens the process" in text for text in texts) == 1
    assert found.counts["sentences: unknown technique"] == 1
    assert texts["The vendor was informed in spring."] == frozenset()
    assert texts["It dumps the memory of lsass"] == {"T1003.001"}
    (heard,) = [s for s in together if "the microphone" in s.text]
    assert (heard.techniques, heard.domain, found.known["T1429"]) == ({"T1429"}, Domain.MOBILE, Domain.MOBILE)
    documents = {s.text: s.document for s in together if s.source == "tram"}
    assert set(documents.values()) == {"Some: Report"}
