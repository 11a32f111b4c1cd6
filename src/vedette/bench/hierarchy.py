"""Which weaknesses are relatives: ChildOf in CWE's research view."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vedette.knowledge.record import Rel
from vedette.knowledge.store import Knowledge

_VIEW = "view CWE-1000"


class Hierarchy:
    """ChildOf in the research view (CWE-1000)."""

    def __init__(self, parents: Mapping[str, frozenset[str]]) -> None:
        self._parents = parents

    @classmethod
    def of(cls, store: Knowledge, weaknesses: Iterable[str]) -> Hierarchy:
        parents: dict[str, frozenset[str]] = {}
        waiting = list(weaknesses)
        while waiting:
            uid = waiting.pop()
            if uid in parents:
                continue
            entry = store.get(uid)
            links = (link for s in entry.statements for link in s.record.links) if entry else ()
            parents[uid] = frozenset(k.to for k in links if k.rel is Rel.CHILD_OF and _VIEW in k.note)
            waiting += parents[uid]
        return cls(parents)

    def above(self, uid: str) -> set[str]:
        found: set[str] = set()
        waiting = [uid]
        while waiting:
            new = self._parents.get(waiting.pop(), frozenset()) - found
            found |= new
            waiting += new
        return found

    def near(self, said: str, right: Iterable[str]) -> bool:
        """The same, or one is the other's parent."""
        return any(
            said == r or said in self._parents.get(r, ()) or r in self._parents.get(said, ()) for r in right
        )  # fmt: skip

    def related(self, said: str, right: Iterable[str]) -> bool:
        """The same, or one lies anywhere above the other."""
        return any(said == r or said in self.above(r) or r in self.above(said) for r in right)
