"""Which objects belong to the dev side: by a hash of their id, the same in every data set of one seed and share."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def dev_objects(objects: Sequence[str], seed: int, share: float) -> tuple[str, ...]:
    """What is about any of these is dev: nothing that dev asks about was learned."""
    return tuple(uid for uid in objects if _share(uid, seed) < share)


def _share(uid: str, seed: int) -> float:
    return int.from_bytes(hashlib.blake2b(f"{seed} {uid}".encode(), digest_size=4).digest()) / 2**32
