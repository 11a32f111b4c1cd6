"""One stream to chunks: layout, source, resumption, and the account of every record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from vedette.connect.clock import Clock
from vedette.connect.decode import decode_json, reject
from vedette.connect.document import HEAD, Items
from vedette.connect.fieldmap import FieldMap, shipped_maps
from vedette.connect.frame import Frame, Lines
from vedette.connect.open import Stream
from vedette.connect.shape import Layout, Shape, shape_of, stream_key
from vedette.connect.sources import ORDER, SOURCES, Source
from vedette.connect.sources.fields import checked
from vedette.connect.sources.mapped import Mapped, RowParser
from vedette.connect.table import Table
from vedette.errors import InputError, RecordError
from vedette.types import Alert, Chunk, Context, Position, Rejected

SNIFF = 50  # parsable records that decide which source a stream is of
Parsed = Alert | Context | None


@dataclass(frozen=True, slots=True)
class Options:
    source: str = "auto"
    field_map: FieldMap | None = None
    timezone: str | None = None
    chunk_records: int = 2_000
    resume: Callable[[str], Position | None] = lambda key: None


class Framer(Protocol):
    def take(self, limit: int) -> Frame | None: ...
    def finish(self) -> Frame | None: ...


class StreamReader:
    """`pump` reads what is there; `final` says that nothing will follow."""

    def __init__(self, stream: Stream, options: Options, notes: list[str]) -> None:
        self.readable = self.done = False
        self._stream, self._options, self._notes = stream, options, notes
        self._name = stream.name
        zone = options.timezone or (options.field_map.time.timezone if options.field_map else None)
        self._clock = Clock(zone)
        self._sources: list[Source] = self._candidates()
        self._sniffed = 0  # parsable records seen while no source was found; -1 once one was
        self._framer: Framer | None = None
        self._row_parser: RowParser | None = None
        self._shape = Shape(Layout.LINES)
        self._end = Position(stream="")
        self._zoneless = False

    def pump(self, *, final: bool) -> Iterator[Chunk]:
        if self.done:
            return
        try:
            yield from self._pump(final)
        except InputError as exc:
            self.done = True
            yield self._failure(exc)
        except (OSError, ValueError) as exc:
            self.done = True
            yield self._failure(InputError(f"cannot be read: {exc}", remedy="check the file"))

    def _pump(self, final: bool) -> Iterator[Chunk]:
        framer = self._framer or self._prepare(final)
        if framer is None:
            return
        while (frame := framer.take(self._options.chunk_records)) is not None:
            yield self._chunk(frame, drained=final and len(frame.numbers) < self._options.chunk_records)
        if final:
            yield from self.finish()

    def finish(self) -> Iterator[Chunk]:
        """What was read but has no end, without reading more."""
        if self._framer is not None and not self.done:
            self.done = True
            if (frame := self._framer.finish()) is not None:
                yield self._chunk(frame, drained=True)

    def _candidates(self) -> list[Source]:
        if self._options.field_map is not None:
            return [Mapped(self._options.field_map, self._clock)]
        names = ORDER if self._options.source == "auto" else (self._options.source,)
        return [SOURCES.load(name)(self._clock) for name in names]

    def _prepare(self, final: bool) -> Framer | None:
        """Look at the beginning, go to where reading stopped last time. None where there is too little yet."""
        head = self._stream.peek(HEAD)
        self.readable = True
        if final and not head.strip():
            self._notes.append(f"{self._name}: empty")
        growing = not final and len(head) < HEAD
        if not head.strip() or (growing and b"\n" not in head.lstrip()):
            return None
        shape = shape_of(head)
        if shape is None:
            raise self._unknown_format()
        if shape.layout is Layout.TABLE:
            if growing and head.count(b"\n") < 2:
                return None  # the key needs the first row
            self._row_parser = self._rows(shape)
        self._shape = shape
        self._framer = self._start(shape, stream_key(self._name, head, shape))
        return self._framer

    def _start(self, shape: Shape, key: str) -> Framer:
        """Raises InputError where the stream is shorter than it was."""
        known = self._options.resume(key)
        fresh = Position(stream=key, offset=shape.start, line=1 if shape.layout is Layout.TABLE else 0)
        self._end = position = known if known is not None and known.offset > fresh.offset else fresh
        offset = position.offset
        if shape.layout is Layout.DOCUMENT or position is fresh:
            reached = self._stream.skip(offset)
        else:
            reached = self._stream.skip(offset - 1)
            offset += self._to_line_start()
        if not reached:
            raise InputError(
                f"shorter than the {offset:,} bytes that were read last time", remedy="read it with a new state file"
            )
        if shape.layout is Layout.DOCUMENT:
            return Items(self._stream, offset, position.line, shape.outer)
        lines = Lines(self._stream, offset, position.line)
        if shape.layout is Layout.TABLE:
            return Table(lines, self._name, len(shape.header), shape.delimiter)
        return lines

    def _to_line_start(self) -> int:
        """From the last byte that was read, go past the line end that was written since; the latter's size."""
        ahead = self._stream.peek(3)
        ended = ahead[:1] == b"\n"
        end = b"" if ended else next((end for end in (b"\r\n", b"\n") if ahead[1:].startswith(end)), b"")
        self._stream.drop(1 + len(end))
        return len(end)

    def _rows(self, shape: Shape) -> RowParser | None:
        """The fast way through a map; None where the rows go through a source, as mappings."""
        for candidate in self._sources:
            if isinstance(candidate, Mapped):
                return self._row_parser_of(candidate, shape)
        if self._options.source == "auto":
            for shipped in shipped_maps():
                if shipped.recognise == shape.header:
                    return self._row_parser_of(Mapped(shipped, self._clock), shape)
        return None

    def _row_parser_of(self, mapped: Mapped, shape: Shape) -> RowParser:
        parser = mapped.row_parser(shape.header)
        if idle := mapped.unused(shape.header):
            self._notes.append(f"{self._name}: columns neither used nor ignored: {', '.join(idle)}")
        return parser

    def _chunk(self, frame: Frame, *, drained: bool) -> Chunk:
        end = Position(stream=self._end.stream, offset=frame.offset, line=frame.line)
        chunk = Chunk(end=end, name=self._name, rejected=frame.rejected)
        if self._row_parser is not None:
            self._parse_rows(frame, chunk, self._row_parser)
        elif self._shape.layout is Layout.TABLE:
            self._parse_records(frame, chunk, self._mapping_of, drained)
        else:
            self._parse_records(frame, chunk, decode_json, drained)
        if frame.cut and chunk.rejected and not chunk.alerts and not chunk.contexts:
            chunk.end = self._end  # the line may still be completed: it is read again next time
        self._end = chunk.end
        self._note_zone()
        return chunk

    def _parse_rows(self, frame: Frame, chunk: Chunk, parse: RowParser) -> None:
        prefix, keep = f"{self._name}:", chunk.alerts.append
        for number, row in zip(frame.numbers, frame.records, strict=True):
            if not row:
                continue
            try:
                keep(parse(row, f"{prefix}{number}"))
            except RecordError as exc:
                chunk.rejected.append(self._rejected(number, exc, row))

    def _parse_records(
        self, frame: Frame, chunk: Chunk, decode: Callable[[Any], dict[str, Any] | None], drained: bool
    ) -> None:
        """One record at a time: decoded records are large, and those of a whole chunk do not fit into the caches."""
        if self._sniffed >= 0:
            self._sniff(list(islice(_decodable(frame, decode), SNIFF)), drained)
        for number, raw in zip(frame.numbers, frame.records, strict=True):
            try:
                if record := decode(raw):
                    self._sort(self._parse(record, number, raw, chunk), chunk)
                elif record is not None:
                    raise RecordError("an empty record", remedy="export whole records")
            except RecordError as exc:
                chunk.rejected.append(self._rejected(number, exc, raw))

    def _sort(self, parsed: Parsed | Rejected, chunk: Chunk) -> None:
        if isinstance(parsed, Alert):
            chunk.alerts.append(parsed)
        elif isinstance(parsed, Context):
            chunk.contexts.append(parsed)
        elif parsed is None:
            chunk.ignored += 1
        else:
            chunk.rejected.append(parsed)

    def _parse(self, record: dict[str, Any], number: int, raw: Any, chunk: Chunk) -> Parsed | Rejected:
        try:
            for source in self._sources:
                if source.recognise(record):
                    parsed = source.parse(record, self._ref(number))
                    return checked(parsed) if isinstance(parsed, Alert) else parsed
            known = ", ".join(source.name for source in self._sources)
            raise RecordError("unknown record shape", remedy=f"known: {known}; describe others with --map")
        except RecordError as exc:
            return self._rejected(number, exc, raw)
        except Exception as exc:  # one hostile record must not end the run
            what = f"the reader failed on it: {type(exc).__name__}: {exc}"
            return self._rejected(number, RecordError(what[:300], remedy="please report this record"), raw)

    def _sniff(self, records: list[dict[str, Any]], drained: bool) -> None:
        """Put the source first that recognises most of `records`. Raises InputError where none recognises any."""
        votes = [sum(map(source.recognise, records)) for source in self._sources]
        best = max(votes, default=0)
        if best:
            self._sources.insert(0, self._sources.pop(votes.index(best)))
            self._sniffed = -1
            return
        self._sniffed += len(records)
        if records and (self._sniffed >= SNIFF or (drained and not self._stream.live)):
            raise self._unknown_format()

    def _unknown_format(self) -> InputError:
        if self._options.field_map is not None or self._options.source != "auto":
            name = self._options.field_map.name if self._options.field_map else self._options.source
            return InputError(f"no record looks like '{name}'", remedy="check --source, or the fields of --map")
        known = ", ".join((*ORDER, *(shipped.name for shipped in shipped_maps())))
        return InputError(f"unknown format (known: {known})", remedy="describe it in a field map and pass --map")

    def _mapping_of(self, row: list[str]) -> dict[str, Any] | None:
        if not row:
            return None
        header = self._shape.header
        if len(row) != len(header):
            raise RecordError(f"{len(row)} fields where the header has {len(header)}", remedy="correct this line")
        return dict(zip(header, row, strict=True))

    def _ref(self, number: int) -> str:
        return f"{self._name}:{'#' if self._shape.layout is Layout.DOCUMENT else ''}{number}"

    def _rejected(self, number: int, exc: RecordError, raw: Any) -> Rejected:
        content = raw if isinstance(raw, bytes) else ",".join(raw).encode("utf-8", "surrogatepass")
        return reject(self._ref(number), exc.what, exc.remedy, content)

    def _failure(self, exc: InputError) -> Chunk:
        rejected = Rejected(ref=exc.where or self._name, reason=exc.what, remedy=exc.remedy)
        return Chunk(end=self._end, name=self._name, rejected=[rejected])

    def _note_zone(self) -> None:
        if self._clock.zoneless and not self._zoneless:
            self._zoneless = True
            self._notes.append(f"{self._name}: times without a zone, read as {self._clock.zone}")


def _decodable(frame: Frame, decode: Callable[[Any], dict[str, Any] | None]) -> Iterator[dict[str, Any]]:
    for raw in frame.records:
        with suppress(RecordError):
            if record := decode(raw):
                yield record
