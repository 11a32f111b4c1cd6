from __future__ import annotations

from vedette.guard.mask import mask
from vedette.types import Alert, Kind, Observable, Role, TextKind, UntrustedText

BARE = Alert(
    time=1,
    product="Wazuh",
    rule_uid="1",
    rule_name="rule",
    ref="a:1",
    observables=(Observable(Role.SRC, Kind.IP, "192.0.2.1"),),
    techniques=("T1110",),
)


def test_attacker_written_text_goes_and_the_rest_stays() -> None:
    alert = Alert(**{**_fields(BARE), "texts": (UntrustedText(TextKind.URL, "http://x"),)})  # type: ignore[arg-type]
    assert mask(alert) == BARE


def test_an_alert_without_text_is_itself() -> None:
    assert mask(BARE) is BARE


def _fields(alert: Alert) -> dict[str, object]:
    return {name: getattr(alert, name) for name in alert.__struct_fields__}
