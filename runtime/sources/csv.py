"""Csv and tsv: commas or tabs, double quotes, a header with the names, UTF-8; read by Arrow as texts.

An empty field is null, and a quoted empty one is the empty text (null in a column that is no string). No other text is
null: ``NULL``, ``NA`` and ``nan`` are what they say. Quoted fields may hold line ends; empty lines are skipped. A file
without a byte has no columns.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import IO

import pyarrow as pa
import pyarrow.csv as pc

from ...planner.errors import SourceError, shown
from ..arrow import data_type
from .seen import Parsed, TextFormat
from .text import TextType, encoding_problem, misfit, pieces, read_texts

_BLOCK = 8 * 2**20
_NO_ROWS = "Empty CSV file"
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}


@dataclass(frozen=True)
class Csv(TextFormat):
    """Fields that are separated by one character."""

    separator: str = ","

    def names(self, file: IO[bytes], path: str, given: Collection[str]) -> tuple[str, ...] | None:
        """The names in the header."""
        header = _first_line(file, path)
        if not header.strip():
            return ()
        with self._reading(path):
            problem = encoding_problem(header)
            if problem:
                raise ValueError(problem)
            names: list[str] = self._reader(BytesIO(header + b"\n"), None).schema.names
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise SourceError(f"source: {path} has the column {', '.join(map(repr, repeated))} more than once")
        if "" in names:
            raise SourceError(f"source: {path} has a column without a name in its header")
        other = [name for mark, name in _SEPARATORS.items() if mark in names[0] and mark != self.separator]
        if other and len(names) == 1:
            raise SourceError(
                f"source: {path} has the one column {shown(names[0])}: its fields seem to be separated by "
                f"{other[0]}, and those of a csv are by commas, of a tsv by tabs; "
                "write it anew, or read it with pandas or DuckDB"
            )
        return tuple(names)

    def see(self, file: IO[bytes], path: str, names: Collection[str] | None, parsed: Parsed) -> dict[str, TextType]:
        del parsed  # texts, which are read as fast as they were kept
        types = {name: TextType() for name in names or ()}
        for batch in self._texts(file, path, list(types)):
            for name, type_ in types.items():
                type_.see(batch.column(name))
        return types

    def read(
        self, file: IO[bytes], path: str, columns: Mapping[str, pa.DataType], parsed: Parsed
    ) -> Iterator[pa.RecordBatch]:
        del parsed
        schema = pa.schema(list(columns.items()))
        types = {name: data_type(type_) for name, type_ in columns.items()}
        for batch in self._texts(file, path, list(columns)):
            values = []
            for name, type_ in types.items():
                try:
                    values.append(read_texts(batch.column(name), type_))
                except ValueError as error:
                    raise misfit(path, name, type_, error) from None
            yield pa.RecordBatch.from_arrays(values, schema=schema)

    def _texts(self, file: IO[bytes], path: str, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        with self._reading(path):
            try:
                reader = self._reader(file, names)
            except pa.ArrowInvalid as error:
                if _NO_ROWS in str(error):  # Also of a header without a line end.
                    return
                raise
            while (batch := next(reader, None)) is not None:
                yield batch

    def _reader(self, file: IO[bytes], names: Sequence[str] | None) -> pc.CSVStreamingReader:
        options = pc.ConvertOptions(
            column_types=dict.fromkeys(names or (), pa.string()),
            include_columns=list(names) if names else None,
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
        )
        return pc.open_csv(
            file,
            read_options=pc.ReadOptions(block_size=_BLOCK),
            parse_options=pc.ParseOptions(delimiter=self.separator, newlines_in_values=True),
            convert_options=options,
        )

    @contextmanager
    def _reading(self, path: str) -> Generator[None]:
        try:
            yield
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            raise SourceError(f"source: {path} cannot be read as csv: {error}") from None


def _first_line(file: IO[bytes], path: str) -> bytes:
    """The first line that is not empty, with the line ends in its quotes."""
    line = b""
    for piece in pieces(file, path, 2**16):
        line = (line + piece).lstrip(b"\r\n")
        end = line.find(b"\n")
        while end >= 0 and line.count(b'"', 0, end) % 2:
            end = line.find(b"\n", end + 1)
        if end >= 0:
            return line[:end]
    return line
