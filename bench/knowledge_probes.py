"""What `bench/knowledge.py` measures inside one process: `python bench/knowledge_probes.py NAME STORE` prints JSON.

Times are in seconds. Each probe runs in a process of its own, on one core where the system can do that.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vedette.knowledge.store import Knowledge

ROOT = Path(__file__).resolve().parents[1]
WRITTEN = ROOT / "bench/knowledge/questions.jsonl"
SEED = 17
GETS, WALKS, PAGES = 20_000, 300, 1_000
PAGE = 3_000  # characters
QUESTION = "dump credentials from lsass memory"
DEPTH = 10  # of the recall
TRIED = (2, 4, 8, 16)  # candidates that are compared exactly, for each passage that is wanted
BLOCK = 20_000  # vectors at once


def timed(calls: Iterator[Callable[[], object]]) -> dict[str, list[float]]:
    """Of each call: by the clock, and of the processor."""
    wall, cpu = [], []
    for call in calls:
        began, worked = time.perf_counter(), time.thread_time()
        call()
        cpu.append(time.thread_time() - worked)
        wall.append(time.perf_counter() - began)
    return {"wall": wall, "cpu": cpu}


def opening(store: Path) -> dict[str, float]:
    began = time.perf_counter()
    from vedette.knowledge.store import Knowledge

    loaded = time.perf_counter()
    with Knowledge.open(store) as knowledge:
        assert knowledge.get("T1059.001")
        return {"import": loaded - began, "open": time.perf_counter() - loaded}


def first_use(store: Path) -> dict[str, float]:
    """Where there is no store yet; of the process's life but the start of Python."""
    times = opening(store)
    return {"seconds": sum(times.values()), "bytes": store.stat().st_size if store.exists() else 0}


def first_search(store: Path) -> dict[str, float]:
    from vedette.knowledge.store import Knowledge

    with Knowledge.open(store) as knowledge:
        began = time.perf_counter()
        assert knowledge.search(QUESTION)
        return {"seconds": time.perf_counter() - began}


def gets(store: Path) -> dict[str, list[float]]:
    from vedette.knowledge.store import Knowledge

    rng = Random(SEED)
    with Knowledge.open(store) as knowledge:
        uids = [uid for (uid,) in knowledge.db.execute("SELECT DISTINCT id FROM record ORDER BY id")]
        chosen = rng.choices(uids, k=GETS)
        for uid in rng.choices(uids, k=2_000):  # warm
            knowledge.get(uid)
        return timed((lambda uid=uid: knowledge.get(uid)) for uid in chosen)  # type: ignore[misc]


def searches(store: Path) -> dict[str, list[float]]:
    from vedette.knowledge.store import Knowledge

    with Knowledge.open(store) as knowledge:
        asked = questions(store)
        for text in asked[:10]:  # warm
            knowledge.search(text)
        return timed((lambda text=text: knowledge.search(text)) for text in asked)  # type: ignore[misc]


def questions(store: Path) -> list[str]:
    """All, written by hand and made, of both splits."""
    from vedette.bench.questions import load
    from vedette.bench.structure import make
    from vedette.knowledge.store import Knowledge

    with Knowledge.open(store) as knowledge:
        return [question.question for question in (*load(WRITTEN), *make(knowledge))]


def exploited(store: Path, count: int) -> list[str]:
    from vedette.knowledge.store import Knowledge

    sql = "SELECT r.id FROM record r JOIN unit u ON r.unit = u.number WHERE u.name = 'kev' ORDER BY r.id"
    with Knowledge.open(store) as knowledge:
        uids = [uid for (uid,) in knowledge.db.execute(sql)]
    return Random(SEED).sample(uids, min(count, len(uids)))


def walks(store: Path) -> dict[str, object]:
    from vedette.knowledge.store import Knowledge

    found = []
    with Knowledge.open(store) as knowledge:
        knowledge.paths("CVE-2021-44228", "mitigation")  # warm
        times = timed((lambda uid=uid: found.append(bool(knowledge.paths(uid, "mitigation"))))  # type: ignore[misc]
                      for uid in exploited(store, WALKS))  # fmt: skip
    return {**times, "found": sum(found)}


def pages(store: Path) -> dict[str, object]:
    """A page of a report: 30 ids of several sorts in plain sentences."""
    from vedette.knowledge.store import Knowledge

    ids = [*exploited(store, 14), "T1059.001", "t1003.001", "T1086", "TA0002", "CWE-79", "cwe 22", "CAPEC-66", "G0016",
           "S0002", "M1049", "DET0001", "D3-PSA", "AC-2(1)", "CVE-2099-99999", "T9999", "CWE-00089"]  # fmt: skip
    text, place = "", 0
    while len(text) < PAGE:
        text += "The host was patched late, so the analysts looked at its logs again, line by line. "
        if place < len(ids) and len(text) > place * PAGE / len(ids):
            text += f"They named {ids[place]} as a reason. "
            place += 1
    text = text[:PAGE]
    with Knowledge.open(store) as knowledge:
        found = len(knowledge.verify_ids(text))
        times = timed((lambda: knowledge.verify_ids(text)) for _ in range(PAGES))
    return {**times, "found": found}


def vectors(store: Path) -> dict[str, object]:
    """For each number of candidates: recall of each question against exact cosine over all int8 vectors.

    A passage counts when its cosine is at least the exact tenth one's: sources repeat each other's texts.
    """
    import numpy as np

    from vedette.knowledge import index, search
    from vedette.knowledge.encoder import USUAL
    from vedette.knowledge.spool import encoder
    from vedette.knowledge.store import Knowledge

    with Knowledge.open(store) as knowledge:
        queries = encoder(USUAL).encode(questions(store))
        queries = queries[queries.any(axis=1)]
        least = exact_tenth(knowledge, queries)
        searcher = knowledge.searcher
        recalls: dict[int, list[float]] = {}
        parts = searcher.parts((), "")
        for search.CANDIDATES in TRIED:
            recalls[search.CANDIDATES] = []
            for query, limit in zip(queries, least, strict=True):
                near = np.array([number for part in searcher.nearest(query, parts) for number in part])
                sql = f"SELECT code FROM passage WHERE number IN ({','.join(map(str, near))})"  # noqa: S608
                codes = b"".join(code for (code,) in knowledge.db.execute(sql).fetchall())
                reached = np.count_nonzero(index.unit_rows(codes, len(query)) @ query >= limit - 1e-6)
                recalls[search.CANDIDATES].append(min(int(reached), DEPTH) / DEPTH)
    wanted = sum(part.passages for part in parts)
    return {"recalls": recalls, "wanted": wanted, "passages": len(searcher.matrix.numbers)}


def exact_tenth(knowledge: Knowledge, queries: NDArray[np.float32]) -> NDArray[np.float32]:
    """The tenth highest cosine of each query over all passages."""
    import numpy as np

    from vedette.knowledge import index

    cursor = knowledge.db.execute("SELECT code FROM passage ORDER BY number")
    best = np.full((len(queries), DEPTH), -2, np.float32)
    while rows := cursor.fetchmany(BLOCK):
        scores = queries @ index.unit_rows(b"".join(code for (code,) in rows), queries.shape[1]).T
        both = np.concatenate([best, scores], axis=1)
        best = np.partition(both, both.shape[1] - DEPTH, axis=1)[:, -DEPTH:]
    least: NDArray[np.float32] = best.min(axis=1)
    return least


PROBES: dict[str, Callable[[Path], object]] = {
    probe.__name__: probe
    for probe in (opening, first_use, first_search, gets, searches, walks, pages, vectors)
}  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    name, store = arguments
    sys.stdout.buffer.write(msgspec.json.encode(PROBES[name](Path(store))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
