"""What tasks over made-up scenes share: their ids, and JSON in answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from random import Random

from vedette.forge.world import World

NO_EVIDENCE = "Not enough evidence"


def scenes(rng: Random, family: str, most: int = 20_000) -> Iterator[str]:
    """Ids for as many scenes as a task may want. A scene is made once, for one task: no other one asks about it."""
    for _ in range(most):
        yield f"made:{family}/{rng.getrandbits(48):012x}"


def as_json(value: object, flat: bool = False) -> str:
    return json.dumps(value, ensure_ascii=False, indent=None if flat else 2)


def family(world: World, technique: str) -> list[str]:
    """The technique with its parent, its sisters and its sub-techniques, and what could be defended as well."""
    root = technique.partition(".")[0]
    refused = {root, *ALSO.get(root, "").split()}
    return [entry.id for entry in world.of(world.entries[technique].kind) if entry.id.partition(".")[0] in refused]


ALSO = {  # what could be defended as well, by technique: never a wrong option
    "T1003": "T1218 T1055 T1552 T1005 T1087 T1106 T1555",
    "T1021": "T1078 T1133 T1563 T1570 T1569",
    "T1046": "T1595 T1018 T1049 T1016",
    "T1048": "T1041 T1567 T1071 T1020 T1030",
    "T1053": "T1546 T1543 T1569",
    "T1059": "T1027 T1204 T1566 T1564 T1218 T1202 T1137 T1546",
    "T1047": "T1021 T1570 T1569 T1559",
    "T1070": "T1562 T1485 T1565 T1490 T1654",
    "T1071": "T1572 T1048 T1568 T1041 T1132 T1095 T1090 T1001 T1659",
    "T1083": "T1548 T1222 T1518 T1057 T1005",
    "T1098": "T1136 T1078 T1548 T1069 T1550 T1552 T1528 T1556",
    "T1105": "T1059 T1608 T1570 T1204 T1071 T1197 T1102",
    "T1110": "T1078 T1021 T1133 T1187",
    "T1136": "T1098 T1078 T1548 T1564 T1585",
    "T1140": "T1027 T1059 T1132",
    "T1190": "T1505 T1059 T1210 T1203 T1133 T1595 T1189 T1211 T1212 T1068",
    "T1218": "T1059 T1105 T1204 T1127 T1216 T1202 T1574 T1220 T1129",
    "T1486": "T1485 T1490 T1565 T1561",
    "T1490": "T1485 T1070 T1561 T1486 T1006 T1489",
    "T1505": "T1190 T1059 T1203 T1608 T1546",
    "T1543": "T1569 T1036 T1053 T1037 T1574 T1547",
    "T1547": "T1112 T1037 T1543 T1053 T1546",
    "T1548": "T1222 T1068 T1134 T1546",
    "T1558": "T1110 T1550 T1649 T1187 T1003",
    "T1562": "T1070 T1485 T1578 T1489 T1686 T1685",
    "T1566": "T1204 T1534 T1598 T1539 T1189",
    "T1621": "T1110 T1078 T1111 T1556",
}


def options(world: World, rng: Random, technique: str, count: int = 3) -> tuple[str, ...]:
    """Labels of techniques that are near, but no broader, narrower or sister form of this one, and of no such table."""
    found = _fit(world, technique)
    return tuple(rng.sample(found, min(count, len(found))))


@lru_cache(maxsize=1024)
def _fit(world: World, technique: str) -> tuple[str, ...]:
    """The few techniques that made-up scenes show are asked about again and again."""
    root = technique.partition(".")[0]
    refused = {root, *ALSO.get(root, "").split()}
    near = world.near(technique, Random(technique), 40)
    return tuple(entry.label for entry in near if entry.id.partition(".")[0] not in refused)[:8]
