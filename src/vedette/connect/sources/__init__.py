"""Where alerts come from. One product, one file; to add one, write it and name it here."""

from __future__ import annotations

from vedette.connect.sources.fields import Source
from vedette.registry import Registry

# The order in which records are tried: the most telling shapes first.
_SOURCES = {
    "wazuh": "vedette.connect.sources.wazuh:Wazuh",
    "suricata": "vedette.connect.sources.suricata:Suricata",
    "ocsf": "vedette.connect.sources.ocsf:Ocsf",
    "splunk": "vedette.connect.sources.splunk:Splunk",
    "ecs": "vedette.connect.sources.ecs:Ecs",
}

SOURCES: Registry[type[Source]] = Registry("source", _SOURCES)
ORDER = tuple(_SOURCES)

__all__ = ["ORDER", "SOURCES", "Source"]
