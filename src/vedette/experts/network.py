"""The encoder as an ONNX file, and its tokenizer. Every text is run alone.

int8 weights come with activations whose scale is taken over the whole batch: in a batch, an answer would depend on the
other texts. One at a time costs nothing on one core, and the same text always gives the same answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from vedette.errors import ArtefactError
from vedette.experts.heads import Reading
from vedette.experts.ngrams import places

T = TypeVar("T")
R = TypeVar("R")
Floats = NDArray[np.float32]
WINDOW = 256  # tokens that are read at once
OVERLAP = 32  # tokens that neighbouring windows share
AHEAD = 8  # texts per thread that wait for their turn
FILE = "experts.onnx"
SLOW = ["SkipLayerNormFusion"]  # its kernel takes seven times as long as an addition and a normalisation


class Network:
    """Raises ArtefactError where the files are none."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        try:
            onnxruntime.disable_telemetry_events()
            self._session = onnxruntime.InferenceSession(
                str(folder / FILE), options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOW
            )
            self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self.tokenizer.no_truncation()  # whatever its file says
            self.tokenizer.no_padding()
            self.tokenizer.encode_special_tokens = True  # "[SEP]" in a text is five characters, not a mark
        except Exception as exc:  # the libraries raise what they like
            raise ArtefactError(
                f"the weights cannot be read: {exc}", where=str(folder), remedy="reinstall them"
            ) from exc
        self.threads = max(1, threads)
        self.dims = int(self._session.get_outputs()[0].shape[-1])

    def windows(self, ids: Sequence[int]) -> list[Sequence[int]]:
        """The parts of a text; the first and last token of each are the marks that the text begins and ends with."""
        if len(ids) <= WINDOW:
            return [ids]
        first, last, inner = ids[0], ids[-1], ids[1:-1]
        size = WINDOW - 2
        starts = range(0, max(1, len(inner) - OVERLAP), size - OVERLAP)
        return [[first, *inner[start : start + size], last] for start in starts]

    def pool(self, ids: Sequence[int]) -> Floats:
        """(dims,): the mean over the tokens of one window."""
        (found,) = self._session.run(None, {"ids": np.array(ids, dtype=np.int64)})
        return np.asarray(found, dtype=np.float32)

    def read(self, text: str, rows: int) -> Reading:
        """`rows`: of the table of n-grams."""
        ids = self.tokenizer.encode(text).ids
        windows = self.windows(ids)
        sizes = np.array([len(window) for window in windows], dtype=np.float32)
        pooled = np.stack([self.pool(window) for window in windows])
        return Reading(pooled, sizes / sizes.sum(), places(ids[1:-1], rows))

    def each(self, work: Callable[[T], R], things: Iterable[T]) -> Iterator[R]:
        """In order and lazily, on as many threads as were asked for."""
        if self.threads == 1:
            yield from map(work, things)
            return
        with ThreadPoolExecutor(self.threads) as pool:
            waiting: deque[Future[R]] = deque()
            try:
                for thing in things:
                    waiting.append(pool.submit(work, thing))
                    while waiting and (waiting[0].done() or len(waiting) >= AHEAD * self.threads):
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:  # nobody asks for the rest
                for future in waiting:
                    future.cancel()
