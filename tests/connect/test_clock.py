from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.connect.clock import EARLIEST, LATEST, Clock, time_parser
from vedette.errors import RecordError

NOON = 1704110400000  # 2024-01-01T12:00:00Z


@pytest.mark.parametrize(
    "value",
    [
        "2024-01-01T12:00:00Z",
        "2024-01-01T12:00:00.000000+0000",
        "2024-01-01t12:00:00.0000004z",
        "2024-01-01 13:00:00+01:00",
        "2024-01-01 12:00:00.000 UTC",
        "2024-01-01 12:00:00,000 +0000",
        "20240101T120000Z",
        " 1704110400 ",
        "1704110400.000",
        1704110400,
        1704110400.0,
        NOON,
        str(NOON),
        NOON * 1_000,
        NOON * 1_000_000,
    ],
)
def test_read_as_utc(value: object) -> None:
    clock = Clock()
    assert clock.parse(value) == clock.parse(value) == NOON
    assert clock.zoneless == 0


@pytest.mark.parametrize(
    "value",
    [None, "", "now", "2024-13-01T00:00:00Z", "1989-12-31T23:59:59Z", "2100-01-01T00:00:00Z", 0, -5, 1e300, 10**400,
     True, [], {}, "9" * 400, "2024-01-01T12:00:00 CEST"],
)  # fmt: skip
def test_refused(value: object) -> None:
    with pytest.raises(RecordError) as caught:
        Clock().parse(value)
    assert caught.value.remedy


def test_a_time_without_zone_uses_the_stated_one() -> None:
    clock = Clock("Asia/Tokyo")
    assert clock.parse("2024-01-01T21:00:00") == NOON
    assert clock.zoneless == 1
    assert clock.parse("2024-01-01T12:00:00Z") == NOON
    assert clock.zoneless == 1


@pytest.mark.parametrize(
    ("form", "value"),
    [("epoch_s", "1704110400"), ("epoch_s", "1704110400.0"), ("epoch_ms", NOON), ("%Y%m%d %H", "20240101 12")],
)
def test_stated_formats(form: str, value: object) -> None:
    assert time_parser(Clock(), form)(value) == NOON
    with pytest.raises(RecordError):
        time_parser(Clock(), form)("x")
    with pytest.raises(RecordError):
        time_parser(Clock(), form)(None)


@given(st.text() | st.integers() | st.floats() | st.datetimes().map(str) | st.from_regex(r"[0-9T:.+-]{1,30}"))
def test_anything_is_in_range_or_refused(value: object) -> None:
    for form in ("auto", "epoch_s", "epoch_ms", "%Y"):
        with suppress(RecordError):
            assert EARLIEST <= time_parser(Clock(), form)(value) < LATEST
