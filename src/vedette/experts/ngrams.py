"""Words and pairs of words as places in a table (the hashing trick): what the second opinion beside the encoder reads.

Training and answers share this file: a place means the same to both.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_ONE, _LEFT, _RIGHT = (np.uint64(odd) for odd in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9))
_HALF = np.uint64(32)


def places(tokens: Sequence[int], rows: int) -> NDArray[np.intp]:
    """Where in a table of `rows` the tokens and the pairs of neighbours stand; each place once, in order."""
    ids = np.asarray(tokens, dtype=np.uint64) + np.uint64(1)
    mixed = np.concatenate([ids * _ONE, ids[:-1] * _LEFT ^ ids[1:] * _RIGHT])
    mixed ^= mixed >> _HALF
    mixed *= _ONE
    return np.unique((mixed >> _HALF) % np.uint64(rows)).astype(np.intp)
