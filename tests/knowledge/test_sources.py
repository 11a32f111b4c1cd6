"""The addresses that are shipped."""

from __future__ import annotations

import re

import pytest

from vedette.knowledge.sources import Address, sources

ADDRESSES = [(name, address) for name, source in sources().items() for address in source.sync]


@pytest.mark.parametrize(("name", "address"), ADDRESSES)
def test_every_shipped_address_is_https_and_has_a_name_of_its_own(name: str, address: Address) -> None:
    for url in filter(None, (address.url, address.sha256_url)):
        assert re.fullmatch(r"https://[a-z0-9.-]+/[A-Za-z0-9/._+-]+", url)
    assert [other.name.casefold() for _, other in ADDRESSES].count(address.name.casefold()) == 1
    assert [other.part for other in sources()[name].sync].count(address.part) == 1


def test_a_plain_sync_stays_small_and_reaches_the_daily_sources() -> None:
    plain = {name: sum(a.max_mb for a in source.sync if not a.optional) for name, source in sources().items()}
    assert all(plain[name] for name in ("attack", "cwe", "capec", "d3fend", "ctid", "nvd", "kev", "epss", "sigma"))
    assert sum(plain.values()) < 3000
