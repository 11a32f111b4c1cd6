"""Which model is in force: never without a gate's result, never half, and always with a way back."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from vedette import signing
from vedette.engine import gate as gates
from vedette.engine.adapted import Adapted
from vedette.engine.add import add
from vedette.engine.backends.fake import Fake
from vedette.engine.choice import Choice, chosen
from vedette.engine.gate import Check, Gate, Party
from vedette.engine.open import Wanted, opened
from vedette.engine.protocol import LIKELIEST, Completion, Message, Sampling
from vedette.engine.roles import Case, Entry, Order, Role
from vedette.errors import ArtefactError, ConfigError, InputError, StateError

from . import crafted

ME = Order("ada", "it is better")
PASSED = Check(name="own", wants="better", passed=True, n=40, value=0.1, low=0.05, high=0.2, found="better")
FAILED = replace(PASSED, name="identity", passed=False)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return signing.keygen(tmp_path / "keys", "us")[0]


def trusted(key: Path) -> signing.Trusted:
    return signing.trusted([key.parent])


def named(name: str, kind: str = "model") -> bytes:
    return crafted.gguf({**crafted.KEYS, "general.name": name, "general.type": kind})


def model(tmp_path: Path, place: Path, name: str) -> Choice:
    """A model that is kept here; each has other bytes."""
    file = tmp_path / f"{name}.gguf"
    file.write_bytes(named(name))
    add(file, place=place)
    return chosen(name, place=place)


def adapter(tmp_path: Path, place: Path, name: str, base: str) -> Choice:
    folder = tmp_path / name
    folder.mkdir()
    (folder / f"{name}.gguf").write_bytes(named(name, "adapter"))
    return chosen(str(folder), base, place)


def case(
    tmp_path: Path, choice: Choice, base: Party | None = None, *checks: Check, key: Path | None = None,
    trust: signing.Trusted | None = None, shadow: str = "",
) -> Case:  # fmt: skip
    found = checks or (PASSED,)
    told = Gate(
        made="2026-11-02T10:00:00Z", version="0", base=base or Party(spec="none"), candidate=choice.party, data=(),
        rules={}, checks=found, passed=all(check.passed for check in found), seconds=1.0,
    )  # fmt: skip
    path = tmp_path / f"gate-{choice.name}-{choice.adapter_name}.json"
    gates.write(path, told, signing.private_key(key) if key else None)
    return Case(gates.read(path), trust if trust is not None else trusted(key) if key else {}, shadow)


def names(role: Role) -> list[str]:
    return [f"{entry.action} {entry}" for entry in role.history()]


# -- promote, roll back -----------------------------------------------------------------------


def test_one_after_the_other_and_all_the_way_back(tmp_path: Path, place: Path, key: Path) -> None:
    role = Role("triage", place)
    assert role.now is None
    with pytest.raises(ConfigError, match="no model is in force"):
        role.files()
    one, two = model(tmp_path, place, "one"), model(tmp_path, place, "two")
    role.promote(one, case(tmp_path, one, key=key), ME)
    assert role.files() == (one.model, None)
    lora = adapter(tmp_path, place, "ours", "two")
    role.promote(two, case(tmp_path, two, one.party, key=key), ME)
    role.promote(lora, case(tmp_path, lora, two.party, key=key), Order("bob"))
    file, on = role.files()
    assert file == two.model
    assert on is not None
    assert on.stem == f"ours-{lora.adapter_sha256[:12]}"
    assert role.rollback(ME).model == "two"
    assert role.files() == (two.model, None)
    assert role.rollback(Order("eve", "again")).model == "one"
    assert role.rollback(ME).model == ""
    with pytest.raises(ConfigError, match="nothing is in force"):
        role.rollback(ME)
    with pytest.raises(ConfigError, match="no model is in force"):
        role.files()
    role.promote(two, case(tmp_path, two, key=key), ME)
    assert [entry.number for entry in role.history()] == list(range(1, 8))
    assert names(role)[3:6] == ["rollback two", "rollback one", "rollback no model"]
    assert [entry.who for entry in role.history()] == ["ada", "ada", "bob", "ada", "eve", "ada", "ada"]
    assert Role("ask", place).now is None


def test_after_a_rollback_the_next_one_goes_back_to_what_was_then_in_force(
    tmp_path: Path, place: Path, key: Path
) -> None:
    role = Role("triage", place)
    one, two, three = (model(tmp_path, place, name) for name in ("one", "two", "three"))
    role.promote(one, case(tmp_path, one, key=key), ME)
    role.promote(two, case(tmp_path, two, one.party, key=key), ME)
    role.rollback(ME)
    role.promote(three, case(tmp_path, three, one.party, key=key), ME)
    assert role.rollback(ME).model == "one"


def test_what_speaks_against_a_candidate(tmp_path: Path, place: Path, key: Path) -> None:
    role = Role("triage", place)
    one, two = model(tmp_path, place, "one"), model(tmp_path, place, "two")
    stranger = signing.keygen(tmp_path / "others", "them")[0]
    good = case(tmp_path, one, key=key)
    assert role.objections(one, good) == []
    for wrong, said in (
        (Case(None, trusted(key)), "no gate's result"),
        (case(tmp_path, one, trust=trusted(key)), "not signed"),
        (case(tmp_path, one, key=stranger, trust=trusted(key)), "unknown key"),
        (case(tmp_path, one, None, PASSED, FAILED, key=key), "not: identity"),
        (case(tmp_path, two, key=key), "another candidate"),
    ):
        with pytest.raises(ArtefactError, match=said):
            role.promote(one, wrong, ME)
        assert role.now is None
    role.promote(one, good, ME)
    with pytest.raises(ArtefactError, match="one is in force"):
        role.promote(two, case(tmp_path, two, two.party, key=key), ME)
    role.promote(two, case(tmp_path, two, one.party, key=key), ME)


def test_what_was_signed_cannot_be_changed(tmp_path: Path, place: Path, key: Path) -> None:
    one = model(tmp_path, place, "one")
    case(tmp_path, one, None, FAILED, key=key)
    path = tmp_path / "gate-one-.json"
    path.write_bytes(path.read_bytes().replace(b'"passed":false', b'"passed":true'))
    told = Case(gates.read(path), trusted(key))
    (why,) = Role("triage", place).objections(one, told)
    assert why.startswith("changed after it was signed")


def test_force_is_remembered_with_what_it_overruled(tmp_path: Path, place: Path, key: Path) -> None:
    role = Role("triage", place)
    one = model(tmp_path, place, "one")
    entry = role.promote(one, Case(None, {}), Order("ada", force="the other one is broken, ticket 4711"))
    assert entry.forced == ("there is no gate's result",)
    assert role.history()[0].why == "the other one is broken, ticket 4711"
    assert role.promote(one, case(tmp_path, one, one.party, key=key, shadow="5 cases"), ME).forced == ()
    assert role.history()[1].shadow == "5 cases"


def test_the_gates_result_is_kept(tmp_path: Path, place: Path, key: Path) -> None:
    role = Role("triage", place)
    one = model(tmp_path, place, "one")
    entry = role.promote(one, case(tmp_path, one, key=key), ME)
    kept = gates.read(role.folder / "gates" / f"{entry.gate}.json")
    assert kept.verify(trusted(key)) == entry.signed_by
    assert kept.gate.candidate == one.party


def test_a_model_that_lies_elsewhere_is_taken_in(tmp_path: Path, place: Path, key: Path) -> None:
    file = tmp_path / "run" / "tuned.gguf"
    file.parent.mkdir()
    file.write_bytes(named("tuned"))
    choice = chosen(str(file.parent), place=place)
    role = Role("triage", place)
    role.promote(choice, case(tmp_path, choice, key=key), ME)
    file.unlink()
    assert role.files()[0] == place / "tuned/tuned.gguf"


# -- files that change ------------------------------------------------------------------------


def test_files_that_are_others_by_now_are_not_used(tmp_path: Path, place: Path, key: Path) -> None:
    role = Role("triage", place)
    model(tmp_path, place, "one")
    lora = adapter(tmp_path, place, "ours", "one")
    role.promote(lora, case(tmp_path, lora, key=key), ME)
    kept = role.files()[1]
    assert kept is not None
    kept.write_bytes(named("theirs", "adapter"))
    with pytest.raises(ArtefactError, match="not the adapter that was promoted"):
        role.files()
    kept.unlink()
    with pytest.raises(ArtefactError, match="cannot be read"):
        role.files()
    (place / "one/one.gguf").unlink()
    (place / "one/one.gguf").write_bytes(named("evil"))
    with pytest.raises(ArtefactError, match="not the file that was added"):
        role.files()


def test_nothing_goes_back_to_what_is_gone(tmp_path: Path, place: Path, key: Path) -> None:
    role = Role("triage", place)
    one, two = model(tmp_path, place, "one"), model(tmp_path, place, "two")
    role.promote(one, case(tmp_path, one, key=key), ME)
    role.promote(two, case(tmp_path, two, one.party, key=key), ME)
    (place / "one/one.gguf").unlink()
    with pytest.raises(ArtefactError):
        role.rollback(ME)
    assert str(role.now) == "two"


def test_what_is_no_candidate(tmp_path: Path, place: Path) -> None:
    (tmp_path / "empty").mkdir()
    model(tmp_path, place, "one")
    with pytest.raises(InputError, match="0 GGUF files"):
        chosen(str(tmp_path / "empty"), place=place)
    with pytest.raises(ConfigError, match="no model 'nine'"):
        chosen("nine", place=place)
    with pytest.raises(ConfigError, match="needs its model"):
        adapter(tmp_path, place, "ours", "")
    with pytest.raises(ConfigError, match="no model that one could stand on"):
        chosen(str(tmp_path / "ours"), str(tmp_path / "ours"), place)
    with pytest.raises(ConfigError, match="did you mean 'triage'"):
        Role("traige", place)


@given(st.binary(max_size=200))
@settings(max_examples=50)
def test_no_result_of_a_gate_breaks_it(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gate.json"
        path.write_bytes(data)
        with pytest.raises(ArtefactError):
            gates.read(path)


def test_a_result_cannot_say_that_it_passed_against_its_own_checks(tmp_path: Path, place: Path) -> None:
    one = model(tmp_path, place, "one")
    case(tmp_path, one, None, FAILED)
    path = tmp_path / "gate-one-.json"
    told = json.loads(path.read_bytes())
    told["gate"]["passed"] = True
    path.write_text(json.dumps(told))
    with pytest.raises(ArtefactError, match="its checks do not"):
        gates.read(path)


# -- kills and company ------------------------------------------------------------------------

CHANGE = """
import os, sys
from pathlib import Path
from vedette.engine import roles
from vedette.engine.choice import chosen
place, at, name = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
calls = 0
def counted(function):
    def call(*args, **options):
        global calls
        calls += 1
        if calls == at:
            if at % 2:  # half way through a line of the history
                with (place / ".roles/triage.history.jsonl").open("ab") as file:
                    file.write(b'{"number": 9, "ro')
            os.kill(os.getpid(), 9)
        return function(*args, **options)
    return call
for place_of, what in ((roles, "atomic_write"), (roles, "sha256_file"), (roles.os, "fsync"), (roles.Path, "replace")):
    setattr(place_of, what, counted(getattr(place_of, what)))
role = roles.Role("triage", place)
role.promote(chosen(name, "one", place), roles.Case(None, {}), roles.Order("ada", force="test"))
print(calls)
"""


def test_killed_at_any_point_the_old_or_the_new_is_in_force(tmp_path: Path, place: Path) -> None:
    one = model(tmp_path, place, "one")
    two = adapter(tmp_path, place, "ours", "one")
    role = Role("triage", place)
    role.promote(one, Case(None, {}), Order("ada", force="first"))
    seen = set()
    for at in range(1, 40):
        before = role.now
        done = subprocess.run(
            [sys.executable, "-c", CHANGE, str(place), str(at), str(tmp_path / "ours")],
            capture_output=True,
            check=False,
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
        now = role.now
        assert now is not None
        assert before is not None
        assert now == before or (now.number, now.model, now.adapter_sha256) == (
            before.number + 1, "one", two.adapter_sha256,
        )  # fmt: skip
        role.files()
        assert role.history()[-1] == now
        assert [entry.number for entry in role.history()] == list(range(1, now.number + 1))
        seen.add((done.returncode, now == before))
        if done.returncode == 0:
            break
    assert seen == {(-9, True), (-9, False), (0, False)}


HOLD = """
import sys, time
from pathlib import Path
from vedette.engine.roles import Role
with Role("triage", Path(sys.argv[1]))._locked():
    print("mine", flush=True)
    time.sleep(60)
"""


def test_two_cannot_change_it_at_once(tmp_path: Path, place: Path) -> None:
    one, role = model(tmp_path, place, "one"), Role("triage", place)
    order = Order("ada", force="x")
    with subprocess.Popen([sys.executable, "-c", HOLD, str(place)], stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline() == b"mine\n"
        with pytest.raises(StateError, match="somebody else"):
            role.promote(one, Case(None, {}), order)
        assert role.now is None
        other.kill()  # its lock ends with it
    assert str(role.promote(one, Case(None, {}), order)) == "one"


# -- what answers -----------------------------------------------------------------------------


def test_an_adapter_answers_unless_another_is_asked_for() -> None:
    asked: list[Sampling] = []

    class Hearing(Fake):
        async def generate(self, messages: Any, *, sampling: Sampling = LIKELIEST, **more: Any) -> Completion:
            asked.append(sampling)
            return await super().generate(messages, sampling=sampling, **more)

    async def go() -> None:
        engine = Adapted(Hearing(["a", "b"]), "ours")
        assert engine.identity.adapter == "ours"
        await engine.generate([Message("user", "x")])  # type: ignore[arg-type]
        await engine.generate([Message("user", "x")], sampling=Sampling(seed=3, adapter="theirs"))  # type: ignore[arg-type]

    asyncio.run(go())
    assert asked == [Sampling(adapter="ours"), Sampling(seed=3, adapter="theirs")]


def test_current_is_what_is_in_force(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VEDETTE_MODELS", str(place))

    async def go(spec: str, **wanted: Any) -> None:
        async with opened(spec, Wanted(**wanted)):
            pass

    with pytest.raises(ConfigError, match="no model is in force for 'triage'"):
        asyncio.run(go("current"))
    with pytest.raises(ConfigError, match="did you mean 'ask'"):
        asyncio.run(go("current/asks"))
    with pytest.raises(ConfigError, match="its own adapter"):
        asyncio.run(go("current", adapters=(tmp_path,)))


def test_entries_say_what_they_are() -> None:
    entry = Entry(number=1, role="triage", action="promote", at="", who="ada")
    assert str(entry) == "no model"
    assert str(replace(entry, model="a", adapter="b")) == "a with b"
