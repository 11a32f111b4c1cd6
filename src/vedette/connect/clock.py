"""Times in whatever form a product writes them, as milliseconds UTC."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from vedette.errors import ConfigError, RecordError

EARLIEST = 631_152_000_000  # 1990-01-01
LATEST = 4_102_444_800_000  # 2100-01-01
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_NUMBER = re.compile(r"-?\d+(?:\.\d*)?").fullmatch
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)[ tT](\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?) ?(z|Z|UTC|GMT|[+-]\d\d:?\d\d|)").fullmatch


def zone_named(name: str | None) -> tzinfo:
    """UTC for None. Raises ConfigError for an unknown IANA name."""
    try:
        return ZoneInfo(name) if name else UTC
    except (KeyError, ValueError, OSError) as exc:
        raise ConfigError(f"unknown time zone '{name}'", remedy="use an IANA name such as 'Europe/Vienna'") from exc


class Clock:
    """Reads the times of one stream. `zoneless` counts those that did not say their zone."""

    def __init__(self, timezone: str | None = None) -> None:
        self.zone = zone_named(timezone)
        self.zoneless = 0
        self._last: tuple[str | None, int] = (None, 0)

    def parse(self, value: object) -> int:
        """Milliseconds UTC of an ISO 8601 string or of a number since 1970.

        A number counts seconds, milliseconds, microseconds or nanoseconds: whichever gives 1990 to 2100.
        Raises RecordError.
        """
        if isinstance(value, str):
            if value == self._last[0]:
                return self._last[1]
            return self._text(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self._number(value)
        if value is None or value == "":
            raise RecordError("the record has no time", remedy="an alert needs a time")
        raise _unreadable(value)

    def strptime(self, value: object, pattern: str) -> int:
        """Raises RecordError."""
        try:
            moment = datetime.strptime(str(value).strip(), pattern)  # noqa: DTZ007 - the zone is set below
            return self._milliseconds(moment)
        except (ValueError, OverflowError) as exc:
            raise RecordError(f"time '{value!s:.60}' does not fit '{pattern}'", remedy="correct the map") from exc

    def _text(self, value: str) -> int:
        if value[4:5] != "-" and "T" not in value:
            return self._loose(value.strip())  # digits alone are a number, although ISO 8601 has such dates
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return self._loose(value.strip())
        milliseconds = self._milliseconds(moment)
        if moment.tzinfo is not None:
            self._last = (value, milliseconds)
        return milliseconds

    def _loose(self, value: str) -> int:
        if not value:
            raise RecordError("the record has no time", remedy="an alert needs a time")
        if len(value) < 40 and _NUMBER(value):
            return self._number(float(value) if "." in value else int(value))
        if not (parts := _ISO(value)):
            raise _unreadable(value)
        zone = "+00:00" if parts[3].upper() in ("Z", "UTC", "GMT") else parts[3]
        try:
            return self._milliseconds(datetime.fromisoformat(f"{parts[1]}T{parts[2]}{zone}"))
        except ValueError as exc:
            raise _unreadable(value) from exc

    def _milliseconds(self, moment: datetime) -> int:
        if moment.tzinfo is None:
            self.zoneless += 1
            moment = moment.replace(tzinfo=self.zone)
        try:
            return in_range((moment - _EPOCH) // _MILLISECOND)
        except OverflowError as exc:
            raise _unreadable(moment) from exc

    def _number(self, value: int | float) -> int:
        size = abs(value)
        if not size < 1e20:
            raise _unreadable(value)
        if size < 1e11:
            return in_range(round(value * 1000))
        if size < 1e14:
            return in_range(int(value))
        return in_range(int(value) // (1_000 if size < 1e17 else 1_000_000))


def in_range(milliseconds: int) -> int:
    """Raises RecordError outside 1990 to 2100."""
    if EARLIEST <= milliseconds < LATEST:
        return milliseconds
    raise RecordError(
        f"time {milliseconds} ms since 1970 is not between 1990 and 2100", remedy="check the clock and the unit"
    )


def _unreadable(value: object) -> RecordError:
    return RecordError(f"time '{value!s:.60}' cannot be read", remedy="ISO 8601 or a number since 1970 is expected")


Parse = Callable[[object], int]


def time_parser(clock: Clock, form: str) -> Parse:
    """`form` is "auto", "iso", "epoch_s", "epoch_ms" or a strptime pattern."""
    if form in ("auto", "iso"):
        return clock.parse
    if form == "epoch_s":
        return lambda value: _scaled(value, 1000)
    if form == "epoch_ms":
        return lambda value: _scaled(value, 1)
    return lambda value: clock.strptime(value, form)


def _scaled(value: object, factor: int) -> int:
    try:
        milliseconds = int(value) * factor  # type: ignore[call-overload]
    except (ValueError, TypeError, OverflowError):
        milliseconds = _fraction(value, factor)
    if EARLIEST <= milliseconds < LATEST:
        return int(milliseconds)
    return in_range(milliseconds)


def _fraction(value: object, factor: int) -> int:
    if value is None or value == "":
        raise RecordError("the record has no time", remedy="an alert needs a time")
    try:
        return round(float(value) * factor)  # type: ignore[arg-type]
    except (ValueError, TypeError, OverflowError) as exc:
        raise _unreadable(value) from exc
