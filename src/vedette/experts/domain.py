"""Which of ATT&CK's domains a text is about, by the words of its world: they can be counted, and checked."""

from __future__ import annotations

import re

from vedette.experts.labels import Domain

AUTO = "auto"
# with capitals: "IOS" is a router's system, "hmi" may be anything
_MOBILE = re.compile(
    r"\b(?:[Aa]ndroid|ANDROID|iOS|iPadOS|iPhones?|iPads?|APKs?|\.apk|[Ss]martphones?|Google Play|"
    r"[Mm]obile (?:devices?|phones?|apps?|applications?|malware|spyware|surveillanceware|banking|users?)|"
    r"[Ss]urveillanceware|[Jj]ailbr(?:oken|eaks?)|IMEI|IMSI|SIM cards?|SMS messages?|[Cc]ell towers?|app icon)\b"
)
_PLANT = re.compile(
    r"\b(?:PLCs?|SCADA|HMIs?|RTUs?|Modbus|Profinet|PROFINET|OPC (?:UA|DA)|IEC[- ]?(?:60870|61850|104)[\d-]*|"
    r"[Pp]rogrammable logic controllers?|[Ii]ndustrial (?:control|networks?)|[Ss]afety [Ii]nstrumented|[Ss]ubstations?|"
    r"[Ee]ngineering workstations?|[Oo]perational technology)\b"
)
_COMPUTER = re.compile(
    r"\b(?:Windows|Linux|macOS|[Pp]ower[Ss]hell|Active Directory|[Rr]egistry|DLLs?|LSASS|lsass|WMI|RDP|SMB|cmd\.exe|"
    r"[Dd]omain controllers?|[Ss]cheduled tasks?|[Ww]orkstations?|[Mm]acros?|Office)\b"
)
FEW = 3  # one word of phones to so many of computers does not make a text about phones, too


def domains_of(text: str) -> frozenset[Domain]:
    """Enterprise, unless the text speaks of phones; both where it speaks of both; plants come on top."""
    phones, computers = len(_MOBILE.findall(text)), len(_COMPUTER.findall(text))
    found = set()
    if phones and FEW * phones > computers:
        found.add(Domain.MOBILE)
    if phones <= FEW * computers or not found:
        found.add(Domain.ENTERPRISE)
    if _PLANT.search(text):
        found |= {Domain.ENTERPRISE, Domain.ICS}
    return frozenset(found)
