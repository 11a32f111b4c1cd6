"""From the gate to a model that answers, and back, as the command line does it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.engine import crafted
from tests.triage.alerts import MODEL, everyday, intrusion, triage
from typer.testing import CliRunner

from vedette import signing
from vedette.bench.gate import shadow
from vedette.cli import app
from vedette.cli.contender import CURRENT, Seat, contender
from vedette.engine import gate as gates
from vedette.engine.roles import Role
from vedette.errors import ArtefactError, ConfigError, InputError

pytestmark = pytest.mark.facts


def run(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VEDETTE_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "models"


@pytest.fixture
def key() -> Path:
    """Of somebody who is trusted; after `place`."""
    return signing.keygen(signing.keys_folder(), "us")[0]


def model(tmp_path: Path, name: str) -> Path:
    file = tmp_path / f"{name}.gguf"
    file.write_bytes(crafted.gguf({**crafted.KEYS, "general.name": name}))
    run("model", "add", file)
    return file


def held_out(tmp_path: Path) -> Path:
    path = tmp_path / "dev.jsonl"
    said = [{"role": "user", "content": "Which?"}, {"role": "assistant", "content": "Answer: x"}]
    path.write_text(
        json.dumps({"messages": said, "id": "1", "task": "t/x", "kind": "closed-book", "final": "x"}) + "\n"
    )
    return path


def rules(tmp_path: Path, *kept: str, **more: Any) -> Path:
    from vedette.bench.gate.rules import CHECKS

    path = tmp_path / "rules.toml"
    lines = [f"skip = {json.dumps([name for name in CHECKS if name not in kept])}"]
    path.write_text("\n".join([*lines, *(f"{name} = {value}" for name, value in more.items())]) + "\n")
    return path


def result(tmp_path: Path, choice: Any, key: Path, passed: bool = True) -> Path:
    """Of a gate that is not run here."""
    from tests.engine.test_roles import FAILED, PASSED

    check = PASSED if passed else FAILED
    told = gates.Gate(
        made="2026-11-02T10:00:00Z", version="0", base=gates.Party(spec="none"), candidate=choice.party, data=(),
        rules={"margin": 0.5}, checks=(check,), passed=passed, seconds=1.0,
    )  # fmt: skip
    gates.write(tmp_path / "gate.json", told, signing.private_key(key))
    return tmp_path / "gate.json"


# -- gate ---------------------------------------------------------------------------------------------


def test_a_gate_is_passed_written_and_signed(tmp_path: Path, place: Path, key: Path) -> None:
    options = ("--base", "obedient", "--held-out", held_out(tmp_path), "--rules", rules(tmp_path, "leaks"))
    said = run("model", "gate", "obedient", *options, "--out", tmp_path / "g", "--sign", key)
    assert "Passed: 1 of 1 checks passed." in said
    sealed = gates.read(tmp_path / "g/gate.json")
    assert sealed.gate.passed
    assert sealed.gate.candidate.spec == "obedient"
    assert sealed.verify(signing.trusted())
    assert {one.name for one in sealed.gate.data} == {"scenes", "held out: dev.jsonl"}
    assert (tmp_path / "g/gate.md").read_text().startswith("# Passed")


def test_a_refusal_says_what_to_do_and_exits_with_1(tmp_path: Path, place: Path) -> None:
    options = (
        "--base",
        "moody",
        "--held-out",
        held_out(tmp_path),
        "--rules",
        rules(tmp_path, "leaks", "canaries", "own"),
    )
    said = run("model", "gate", "obedient", *options, "--out", tmp_path / "g", code=1)
    assert "Refused" in said
    assert "own: 0 of 0 answers differ" in said
    assert "leaks: it tells what it was told to keep" in said
    assert "it is not signed" in said
    assert gates.read(tmp_path / "g/gate.json").signature is None


def test_what_the_gate_cannot_use(tmp_path: Path, place: Path) -> None:
    rows, base = held_out(tmp_path), ("--base", "moody")
    with pytest.raises(InputError, match="no rows"):
        run("model", "gate", "obedient", *base, "--held-out", tmp_path / "none")
    with pytest.raises(ConfigError, match="no model is in force"):
        run("model", "gate", "obedient", "--held-out", rows)
    with pytest.raises(ArtefactError, match="no manifest"):
        run("model", "gate", "obedient", *base, "--held-out", rows, "--own", tmp_path)
    with pytest.raises(InputError, match="no triage state"):
        run("model", "gate", "obedient", *base, "--held-out", rows, "--case-state", tmp_path)
    with pytest.raises(ConfigError, match="unknown benchmark"):
        run("model", "gate", "obedient", *base, "--held-out", rows, "--benchmark", "cti-rcmm")


# -- promote, roll back, history ------------------------------------------------------------------------


def test_promoted_shown_and_taken_back(tmp_path: Path, place: Path, key: Path) -> None:
    from vedette.engine.choice import chosen

    model(tmp_path, "one")
    file = model(tmp_path, "two")
    assert "no model was ever promoted" in run("model", "history")
    with pytest.raises(ArtefactError, match="no gate's result"):
        run("model", "promote", "one")
    said = run("model", "promote", "one", "--force", "the first one", "--who", "ada")
    assert "one answers for triage now" in said
    assert "overruled: there is no gate's result" in said
    passed = result(tmp_path, chosen("two"), key)
    with pytest.raises(ArtefactError, match="the gate compared it with none, and one is in force"):
        run("model", "promote", "two", "--gate", passed)
    run("model", "rollback", "--why", "not yet")
    said = run("model", "promote", file, "--who", "bob")  # gate.json lies beside it
    assert "gate of 2026-11-02: Passed" in said
    assert "rule margin = 0.5, usually 0.02" in said
    told = run("model", "history")
    assert [line.split()[0] for line in told.splitlines() if "UTC" in line] == ["1", "2", "→"]
    assert "why: the first one" in told
    assert "overruled: there is no gate's result" in told
    document = json.loads(run("model", "history", "--json"))
    assert document["in_force"]["model"] == "two"
    assert document["history"][2]["signed_by"] == next(iter(signing.trusted()))
    with pytest.raises(ConfigError, match="'two' answers for triage"):
        run("model", "remove", "two")
    assert "no model is in force" in run("model", "rollback")
    run("model", "remove", "two")


def test_a_candidate_that_was_refused_or_is_nobodys_stays_outside(tmp_path: Path, place: Path, key: Path) -> None:
    from vedette.engine.choice import chosen

    model(tmp_path, "one")
    refused = result(tmp_path, chosen("one"), key, passed=False)
    with pytest.raises(ArtefactError, match="not passed"):
        run("model", "promote", "one", "--gate", refused)
    with pytest.raises(ConfigError, match="no file of this machine"):
        run("model", "promote", "http://127.0.0.1:9/v1", "--gate", refused)
    passed = result(tmp_path, chosen("one"), key)
    strangers = signing.keygen(tmp_path / "others", "them")[1]
    with pytest.raises(ArtefactError, match="unknown key"):
        run("model", "promote", "one", "--gate", passed, "--key", strangers)
    assert Role("triage").now is None


# -- shadow -----------------------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path: Path) -> Path:
    triage(tmp_path / "site", [*everyday(3), *intrusion()], model=MODEL)
    return tmp_path / "site"


def replies(tmp_path: Path, name: str, text: str) -> str:
    claims = [
        {"text": text, "evidence": ["E1"], "quote": ""},
        {"text": "The moon is far.", "evidence": ["E1"], "quote": ""},
    ]
    (tmp_path / name).write_text((json.dumps({"claims": claims, "verdict": "escalate"}) + "\n") * 9)
    return f"fake/{tmp_path / name}"


def test_a_shadow_run_compares_what_was_verified(tmp_path: Path, place: Path, site: Path) -> None:
    now = replies(tmp_path, "a", "Credentials were dumped from LSASS memory on ws-3 at 09:52.")
    before = replies(tmp_path, "b", "It is a false positive.")
    said = run("model", "shadow", now, "--base", before, "--out", site)
    found = shadow.read(site / "shadow.json")
    assert found.base is not None
    assert found.candidate.claims > found.base.claims == 0
    assert found.base.silent == len(found.cases)
    assert "shares too few words with its evidence" in found.candidate.dropped
    assert "argues for less concern than the decision has" in found.base.dropped
    assert found.more[0] > 0
    assert "verified claims" in said
    text = (site / "shadow.md").read_text()
    assert "Credentials were dumped" in text
    assert "Nothing of it was shown to an analyst" in text
    alone = run("model", "shadow", now, "--alone", "--out", site, "--cases", 1)
    assert "1 cases: 1 verified claims, " in alone


def test_what_a_shadow_run_cannot_use(tmp_path: Path, place: Path, site: Path) -> None:
    with pytest.raises(InputError, match="no triage state"):
        run("model", "shadow", "obedient", "--alone", "--out", tmp_path / "none")
    with pytest.raises(ConfigError, match="no case of '2026-03-11'"):
        run("model", "shadow", "obedient", "--alone", "--out", site, "--day", "2026-03-11")
    (tmp_path / "s.json").write_text("{}")
    with pytest.raises(ArtefactError, match="no shadow run"):
        shadow.read(tmp_path / "s.json")


def test_a_promotion_can_want_a_shadow_run_of_this_very_model(
    tmp_path: Path, place: Path, key: Path, site: Path
) -> None:
    from vedette.engine.choice import chosen

    model(tmp_path, "one")
    passed = result(tmp_path, chosen("one"), key)
    with pytest.raises(ConfigError, match="no shadow run is given"):
        run("model", "promote", "one", "--gate", passed, "--require-shadow")
    run("model", "shadow", "obedient", "--alone", "--out", site)
    with pytest.raises(ConfigError, match="the shadow run is of obedient"):
        run("model", "promote", "one", "--gate", passed, "--shadow", site / "shadow.json")
    told = shadow.read(site / "shadow.json")
    from msgspec.structs import replace

    mine = replace(told, candidate=replace(told.candidate, party=chosen("one").party))
    shadow.write(site / "mine.json", mine)
    said = run("model", "promote", "one", "--gate", passed, "--shadow", site / "mine.json", "--require-shadow")
    assert "shadow run: 1 cases" in said
    assert "shadow run: 1 cases" in run("model", "history")


# -- with llama.cpp -------------------------------------------------------------------------------------------


def test_an_adapter_from_the_gate_to_triage(tmp_path: Path, place: Path, key: Path, site: Path) -> None:
    pytest.importorskip("xllamacpp")
    pytest.importorskip("openai")
    pytest.importorskip("gguf")
    from tests.engine import tiny

    run("model", "add", tiny.write(tmp_path / "tiny.gguf"))
    folder = tmp_path / "ours"
    folder.mkdir()
    tiny.write_lora(folder / "ours.gguf")
    options = ("--held-out", held_out(tmp_path), "--rules", rules(tmp_path, "leaks", tokens=16), "--context", 4096)
    run("model", "gate", folder, "--base", "tiny", *options, "--out", folder, "--sign", key)
    sealed = gates.read(folder / "gate.json")
    assert sealed.gate.candidate.adapter == "ours"
    assert sealed.gate.base.adapter == ""
    assert sealed.gate.base.sha256 == sealed.gate.candidate.sha256
    said = run("model", "promote", folder, "--who", "ada")
    assert "tiny with ours-" in said
    alerts = tmp_path / "day.json"
    alerts.write_bytes(_wazuh_day())
    run(
        "triage",
        alerts,
        "--out",
        tmp_path / "t",
        "--model",
        "current",
        "--worded",
        1,
        "--no-experts",
        "--context",
        16_384,
    )
    told = [json.loads(line) for line in (tmp_path / "t/cases.jsonl").read_text().splitlines()]
    by = next(case["explanation"]["by"] for case in told if case.get("explanation"))
    assert by["adapter"].startswith("ours-")
    assert (by["model"], by["spec"]) == ("tiny", "current")
    assert contender(CURRENT, Seat()).party.adapter_sha256 == sealed.gate.candidate.adapter_sha256
    run("model", "promote", "tiny", "--force", "to go back from")
    assert contender(CURRENT, Seat()).party.adapter == ""
    assert "tiny with ours-" in run("model", "rollback")


def _wazuh_day() -> bytes:
    from vedette.bench.injection.formats import FORMATS

    return FORMATS["wazuh"].day()
