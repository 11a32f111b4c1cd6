"""What the heads answer: CVSS v3.1 base metrics, SSVC decision points, and whose habits a prediction follows."""

from __future__ import annotations

from enum import StrEnum

METRICS: dict[str, str] = {
    "AV": "NALP",
    "AC": "LH",
    "PR": "NLH",
    "UI": "NR",
    "S": "UC",
    "C": "HLN",
    "I": "HLN",
    "A": "HLN",
}
"""The eight base metrics of CVSS v3.1 in the order of a vector, and the values of each in the order of the head."""

SSVC: dict[str, tuple[str, ...]] = {
    "exploitation": ("none", "poc", "active"),
    "automatable": ("no", "yes"),
    "technical_impact": ("partial", "total"),
}
"""CISA's decision points that CVE records carry."""


class Convention(StrEnum):
    """Who labels: the same flaw gets another CWE and another vector from each of them."""

    ANY = "any"  # all of them together, CVEs of 2019 and later
    NVD = "nvd"  # NVD, CVEs of 2019 and later
    NVD_2018 = "nvd-2018"  # NVD, CVEs up to 2018: categories and the classes of its time
    CNA = "cna"  # who assigned the CVE, and CISA's additions
    REDHAT = "redhat"
    MITRE = "mitre"  # the re-mapping behind the Top 25


CONVENTIONS = tuple(Convention)


class Domain(StrEnum):
    """ATT&CK's domains: the same deed has another technique on a phone or in a plant."""

    ENTERPRISE = "enterprise"
    MOBILE = "mobile"
    ICS = "ics"
