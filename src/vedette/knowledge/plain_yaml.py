"""YAML as plain text, lists and mappings: what rules need, and nothing that a hostile file could use.

Documents are built from the parser's events. Tags construct nothing, `no` stays "no", an alias is refused, so it cannot
multiply, and deep nesting meets a limit instead of the stack.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import yaml

from vedette.errors import RecordError

DEPTH = 40  # lists and mappings inside each other
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Node: TypeAlias = "str | list[Node] | dict[str, Node]"


def documents(content: bytes, where: str) -> Iterator[Node]:
    """Every document of a YAML file. Raises RecordError; the documents before the damage were given."""
    open_nodes: list[tuple[list[Node] | dict[str, Node], list[str]]] = []  # with the key that waits for its value
    try:
        for event in yaml.parse(content, Loader=_Loader):
            node: Node
            if isinstance(event, yaml.ScalarEvent):
                node = event.value
            elif isinstance(event, yaml.CollectionStartEvent):
                if len(open_nodes) >= DEPTH:
                    raise RecordError(f"YAML nested deeper than {DEPTH}", where=where)
                open_nodes.append(([] if isinstance(event, yaml.SequenceStartEvent) else {}, []))
                continue
            elif isinstance(event, yaml.CollectionEndEvent):
                node = open_nodes.pop()[0]
            elif isinstance(event, yaml.AliasEvent):
                raise RecordError("a YAML alias", where=where, remedy="write the value out")
            else:
                continue
            if not open_nodes:
                yield node
            else:
                _put(*open_nodes[-1], node, where)
    except (yaml.YAMLError, UnicodeError) as exc:
        raise RecordError("not valid YAML", where=where) from exc


def _put(parent: list[Node] | dict[str, Node], key: list[str], node: Node, where: str) -> None:
    """A list takes the node; a mapping takes it as its next key, or as that key's value."""
    if isinstance(parent, list):
        parent.append(node)
    elif key:
        parent[key.pop()] = node
    elif isinstance(node, str):
        key.append(node)
    else:
        raise RecordError("a YAML key that is a list or a mapping", where=where)
