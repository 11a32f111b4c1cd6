from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.guard.claims import Reply, Stated, Stream, parse, schema

CLAIM = {"text": "Something happened.", "evidence": ["E1"], "quote": 'x {y} ] \\ " z'}
JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def text_of(*claims: object, verdict: str = "escalate") -> str:
    return json.dumps({"claims": list(claims), "verdict": verdict})


def test_a_reply_is_read() -> None:
    reply = parse(text_of(CLAIM, CLAIM))
    assert reply == Reply((Stated("Something happened.", ("E1",), 'x {y} ] \\ " z'),) * 2, "escalate")


@pytest.mark.parametrize(
    "text", ["", "no", "{}", "[]", '{"claims": 3}', '{"claims": null, "verdict": "x"}', "{" * 5_000, "[" * 5_000]
)
def test_what_is_none(text: str) -> None:
    assert parse(text) is None


def test_what_broke_off_keeps_its_whole_claims() -> None:
    whole = text_of(CLAIM, CLAIM)
    cut = parse(whole[: len(whole) - 40])
    assert cut is not None
    assert (len(cut.claims), cut.whole) == (1, False)


@pytest.mark.parametrize(
    "claim",
    [
        1,
        None,
        "text",
        {},
        {"text": 3},
        {"text": "x", "evidence": "E1"},
        {"text": "x" * 10_000},
        {"text": "x", "evidence": ["E1"] * 99},
    ],
)
def test_what_is_no_claim_is_left_out(claim: object) -> None:
    reply = parse(text_of(CLAIM, claim, CLAIM))
    assert reply is not None
    assert len(reply.claims) in (1, 2)  # behind what is no object, nothing is looked for


CLAIMS = st.fixed_dictionaries(
    {
        "text": st.text(min_size=1, max_size=60),
        "evidence": st.lists(st.sampled_from(["E1", "E2"]), max_size=3),
        "quote": st.text(max_size=40),
    }
)


@given(st.lists(CLAIMS, max_size=6), st.integers(1, 9))
def test_a_stream_gives_the_same_claims(claims: list[dict[str, object]], step: int) -> None:
    text = text_of(*claims)
    stream, heard = Stream(), []
    for start in range(0, len(text), step):
        heard += stream.take(text[start : start + step])
    whole = parse(text)
    assert whole is not None
    assert tuple(heard) == whole.claims
    assert len(heard) == len(claims)


@given(JSON | st.text(max_size=200))
def test_nothing_harms_it(found: object) -> None:
    text = found if isinstance(found, str) else json.dumps(found)
    parse(text)
    parse('{"claims": [' + text)
    Stream().take('{"claims": [' + text + "}")


def test_every_string_of_the_schema_is_bounded() -> None:
    def strings(node: object) -> list[dict[str, object]]:
        if isinstance(node, dict):
            own = [node] if node.get("type") == "string" else []
            return own + [one for value in node.values() for one in strings(value)]
        return [one for value in node for one in strings(value)] if isinstance(node, list) else []

    found = strings(dict(schema(["E1"], ["a", "b"])))
    assert found
    assert all("maxLength" in one for one in found)
    assert "verdict" not in schema(["E1"])["properties"]
