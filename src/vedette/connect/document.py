"""Records inside one JSON document, or pretty-printed one after the other, with memory for one record.

Understood are a top-level array, an Elasticsearch or OpenSearch `_search` answer (`hits.hits`) and Splunk's
`results`. The array has to begin within the first 64 KiB. Only the ends of objects are looked for here;
whether a record is valid JSON is decided when it is decoded.
"""

from __future__ import annotations

import re

from vedette.connect.frame import MAX_RECORD, Frame, Oversize
from vedette.connect.open import Stream
from vedette.errors import InputError

HEAD = 64 * 1024
_PATHS = (("hits", "hits"), ("results",))
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_KEY_OR_BRACKET = re.compile(_STRING + rb"\s*+:|" + _STRING + rb"|[{}\[\]]", re.DOTALL)
_RUN = re.compile(rb'[^"{}\[\]]*+(?:' + _STRING + rb'[^"{}\[\]]*+)*+', re.DOTALL)
_BRACKET = re.compile(_RUN.pattern + rb"([{}\[\]])", re.DOTALL)
_GAP = re.compile(rb"[\s,]*+")


def find_items(head: bytes) -> tuple[int, int] | None:
    """Offset just inside the array that holds the records, and how many objects hold the array; None without one."""
    if head.lstrip()[:1] == b"[":
        return head.index(b"[") + 1, 0
    path: list[str] = []
    key, arrays = "", 0
    for token in _KEY_OR_BRACKET.finditer(head):
        text = token[0]
        if text.endswith(b":"):
            key = text.rstrip(b": \t\r\n").strip(b'"').decode("utf-8", "replace")
        elif text == b"{":
            path.append("[]" if arrays and not key else key)
            key = ""
        elif text == b"[":
            if (*path[1:], key) in _PATHS:
                return token.end(), len(path)
            path.append(key)
            key = ""
            arrays += 1
        elif text in b"}]" and path:
            path.pop()
            if not path:
                return None
    return None


class Items:
    """Objects one after the other, in an array inside `outer` objects, or just so where `outer` is None."""

    def __init__(self, stream: Stream, offset: int, count: int, outer: int | None) -> None:
        """The stream has to stand at `offset`, between two items, after `count` items."""
        self._stream, self._outer = stream, outer
        self._base, self.count = offset, count  # `_base` is the offset of `_buffer[0]`
        self._buffer, self._at, self._depth = b"", 0, 0
        self._start = 0  # of the item that is open
        self._oversize: Oversize | None = None
        self._closed = False
        self._after = offset

    def take(self, limit: int) -> Frame | None:
        """Up to `limit` items; None at the end. Raises InputError where the rest cannot be used."""
        records: list[bytes] = []
        frame = Frame(records, [], self._after, self.count)
        first, held = self.count + 1, 0
        while len(records) < limit and held <= MAX_RECORD and not self._closed:
            try:
                item = self._item()
            except InputError:  # raised again with the next call, once the items before it were taken
                if records:
                    break
                raise
            if item is None:
                break
            self.count += 1
            self._after = self._base + self._at
            if isinstance(item, Oversize):
                frame.rejected.append(item.rejected(f"{self._stream.name}:#{self.count}"))
                break
            records.append(item)
            held += len(item)
        frame.numbers = range(first, first + len(records))
        frame.offset, frame.line = self._after, self.count  # never past the array: reading may resume there
        return frame if records or frame.rejected else None

    def finish(self) -> Frame | None:
        """Raises InputError where the document is cut off."""
        if (self._outer is None and not self._depth) or (self._closed and self._ends()):
            return None
        what = "more data follows the end" if self._closed and not self._depth else "the document is cut off"
        raise InputError(f"{what} after item {self.count}", remedy="export it again; the items before were read")

    def _ends(self) -> bool:
        """Whether the objects around the array end, and nothing follows them."""
        self._depth, self._start = self._outer or 0, self._at
        while self._depth:
            self._start = self._at
            if found := _BRACKET.match(self._buffer, self._at):
                self._at = found.end()
                self._depth += 1 if found[1] in b"{[" else -1
            elif not self._more():
                return False
        rest = self._buffer[self._at :]
        while not rest.strip() and (rest := self._stream.read()):
            pass
        return not rest

    def _item(self) -> bytes | Oversize | None:
        if not self._depth and not self._open():
            return None
        while True:
            if found := _BRACKET.match(self._buffer, self._at):
                self._at = found.end()
                self._depth += 1 if found[1] in b"{[" else -1
                if not self._depth:
                    return self._close()
            elif not self._more():
                return None

    def _open(self) -> bool:
        """Go to the next item. False at the end of the array or of the stream."""
        while True:
            gap = _GAP.match(self._buffer, self._at)
            self._at = gap.end() if gap else self._at
            if self._at < len(self._buffer):
                break
            if not self._more():
                return False
        byte = self._buffer[self._at : self._at + 1]
        if byte == b"]" and self._outer is not None:
            self._closed = True
            self._at += 1
            return False
        if byte != b"{":
            raise InputError(
                f"item {self.count + 1} is not a JSON object but begins with {byte!r}",
                remedy="a list of objects is read",
            )
        self._start, self._depth, self._at = self._at, 1, self._at + 1
        return True

    def _close(self) -> bytes | Oversize:
        item = self._buffer[self._start : self._at]
        if self._oversize is None:
            return item
        oversize, self._oversize = self._oversize, None
        oversize.add(item)
        return oversize

    def _more(self) -> bool:
        keep = self._start if self._depth else self._at
        if self._depth and len(self._buffer) - keep > MAX_RECORD:
            keep = self._drop()
        piece = self._stream.read()
        if not piece:
            return False
        self._buffer = self._buffer[keep:] + piece
        self._base, self._at, self._start = self._base + keep, self._at - keep, self._start - keep
        return True

    def _drop(self) -> int:
        """Give up the beginning of an item that is too large, as far as it was looked at."""
        if run := _RUN.match(self._buffer, self._at):
            self._at = run.end()
        if len(self._buffer) - self._at > MAX_RECORD:
            raise InputError(
                f"a value in item {self.count + 1} is larger than {MAX_RECORD:,} bytes", remedy="shorten it"
            )
        self._oversize = self._oversize or Oversize()
        self._oversize.add(self._buffer[self._start : self._at])
        self._start = self._at
        return self._at
