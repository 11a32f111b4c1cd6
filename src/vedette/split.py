"""Which objects belong to the dev side: by a hash of their id, the same in every data set of one seed and share."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass


def dev_objects(objects: Sequence[str], seed: int, share: float) -> tuple[str, ...]:
    """What is about any of these is dev: nothing that dev asks about was learned."""
    return tuple(uid for uid in objects if _share(uid, seed) < share)


@dataclass(frozen=True, slots=True)
class Split:
    """Of one data set."""

    seed: int = 0
    share: float = 0.0  # of objects on the dev side; 0: there is none

    def hides(self, about: Iterable[str], own: Collection[str]) -> bool:
        """Is a passage about these kept from a row that is about `own`? It is where dev asks about any other of them.

        From rows of the dev side, too: one that is moved to train as a near duplicate takes its answer along.
        """
        return bool(dev_objects([uid for uid in about if uid not in own], self.seed, self.share))


WHOLE = Split()  # no dev side


def _share(uid: str, seed: int) -> float:
    return int.from_bytes(hashlib.blake2b(f"{seed} {uid}".encode(), digest_size=4).digest()) / 2**32
