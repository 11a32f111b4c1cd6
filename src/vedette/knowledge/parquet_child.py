"""Reads one Parquet file and writes it to stdout as an Arrow IPC stream. Run by `vedette.knowledge.parquet`, alone.

It imports nothing of Vedette, so that it starts quickly wherever Python finds arro3.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from arro3.io import read_parquet, write_ipc_stream

MEMORY = 4 << 30  # bytes; a damaged file may ask for all that the machine has, and the system then ends anybody


def limit(most: int = MEMORY) -> None:
    with suppress(ImportError, ValueError, OSError):  # not everywhere
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def main(path: str, batch: int) -> int:
    try:
        write_ipc_stream(read_parquet(path, batch_size=batch), sys.stdout.buffer, compression=None)
        sys.stdout.flush()
    except BaseException as exc:
        sys.stderr.write(f"\n{exc}")  # the last line is told; a panic has written others before
        return 1
    return 0


if __name__ == "__main__":
    limit()
    code = main(sys.argv[1], int(sys.argv[2]))
    sys.stderr.flush()
    os._exit(code)  # stdout may be a pipe that nobody reads any more: closing it would complain
