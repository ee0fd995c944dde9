"""Arrow at the edge: types to and from the planner's, and everything tabular to an Arrow table."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from fractions import Fraction
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from ..planner.errors import EngineError
from ..planner.types import DataType, Field, Kind, Schema

_PLAIN: dict[Kind, pa.DataType] = {
    "null": pa.null(),
    "bool": pa.bool_(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint8": pa.uint8(),
    "uint16": pa.uint16(),
    "uint32": pa.uint32(),
    "uint64": pa.uint64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
}
_KINDS = {arrow: DataType(kind) for kind, arrow in _PLAIN.items()}
_EXTENSIONS: dict[str, Kind] = {"arrow.uuid": "string", "arrow.json": "string", "arrow.bool8": "bool"}
_TAKEN = (
    pa.types.is_timestamp,
    pa.types.is_date,
    pa.types.is_decimal128,
    pa.types.is_large_string,
    pa.types.is_large_binary,
)
LISTS = (
    pa.types.is_list,
    pa.types.is_large_list,
    pa.types.is_fixed_size_list,
    pa.types.is_list_view,
    pa.types.is_large_list_view,
)

_MICROSECONDS = {
    "d": Fraction(86_400_000_000),
    "s": Fraction(1_000_000),
    "ms": Fraction(1_000),
    "us": Fraction(1),
    "ns": Fraction(1, 1_000),
}


def data_type(type_: pa.DataType) -> DataType:
    """The planner's type of an Arrow type; large, view, dictionary and run-end encoded forms are the plain one.

    Half floats are float32, uuids their texts, ``arrow.json`` is string and ``arrow.bool8`` bool.
    """
    if type_ in _KINDS:
        return _KINDS[type_]
    if isinstance(type_, pa.BaseExtensionType):
        kind = _EXTENSIONS.get(type_.extension_name)
        return DataType("other", label=str(type_)) if kind is None else DataType(kind)
    if pa.types.is_dictionary(type_) or pa.types.is_run_end_encoded(type_):
        return data_type(cast("pa.DictionaryType[Any, Any, Any]", type_).value_type)
    if pa.types.is_float16(type_):
        return DataType("float32")
    if pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return DataType("string")
    if pa.types.is_large_binary(type_) or pa.types.is_binary_view(type_) or pa.types.is_fixed_size_binary(type_):
        return DataType("binary")
    if pa.types.is_date(type_):
        return DataType("date")
    if pa.types.is_timestamp(type_):
        return DataType("timestamp", unit=type_.unit, zone=type_.tz)
    if pa.types.is_decimal(type_) and not pa.types.is_decimal256(type_):
        return DataType("decimal", precision=type_.precision, scale=type_.scale)
    if any(is_list(type_) for is_list in LISTS):
        listed: Any = type_
        return DataType("list", element=_inner_type(listed.value_type))
    if pa.types.is_struct(type_):
        return DataType("struct", fields=tuple(Field(field.name, _inner_type(field.type)) for field in type_))
    return DataType("other", label=str(type_))


def _inner_type(type_: pa.DataType) -> DataType:
    """The type of a value within a list or struct, where extensions, run ends and views of lists are not read."""
    is_odd = isinstance(type_, pa.BaseExtensionType) or pa.types.is_run_end_encoded(type_) or _is_list_view(type_)
    return DataType("other", label=str(type_)) if is_odd else data_type(type_)


def arrow_type(type_: DataType) -> pa.DataType:
    """The Arrow type that a planned type comes out as. Raises KeyError for a type of kind "other"."""
    if type_.kind == "timestamp" and type_.precision:
        return pa.decimal128(type_.precision, 0)
    if type_.kind == "timestamp":
        unit = type_.unit or "us"
        return pa.timestamp(unit) if type_.zone is None else pa.timestamp(unit, type_.zone)
    if type_.kind == "decimal":
        return pa.decimal128(type_.precision, type_.scale)
    if type_.element is not None:
        return pa.list_(arrow_type(type_.element))
    if type_.kind == "struct":
        return pa.struct([pa.field(field.name, arrow_type(field.type)) for field in type_.fields])
    return _PLAIN[type_.kind]


def planner_schema(schema: pa.Schema) -> Schema:
    """The planner's schema of an Arrow schema. Raises ValueError where a name is repeated."""
    return Schema(Field(field.name, data_type(field.type)) for field in schema)


def readable(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """The column in a form that every engine and every function of Arrow takes, with the same values."""
    type_ = column.type
    if type_ in _KINDS or any(is_taken(type_) for is_taken in _TAKEN):
        return column
    is_encoded = pa.types.is_dictionary(type_) or pa.types.is_run_end_encoded(type_)
    if is_encoded or _is_list_view(type_) or isinstance(type_, pa.BaseExtensionType):
        chunks: list[Any] = [_plain(chunk) for chunk in column.chunks]
        nothing: Any = arrow_type(data_type(type_))
        column = pa.chunked_array(chunks) if chunks else pa.chunked_array([], nothing)
    return cast("pa.ChunkedArray[Any]", pc.cast(column, arrow_type(data_type(column.type))))


def _plain(chunk: Any) -> pa.Array[Any]:
    if pa.types.is_dictionary(chunk.type):
        values: Any = readable(pa.chunked_array([chunk.dictionary])).combine_chunks()
        taken: pa.Array[Any] = values.take(chunk.indices)
        return taken
    if _is_list_view(chunk.type):
        # Arrow's own cast gives wrong lists.
        return _list_as_planned(chunk, _inner_type(chunk.type.value_type))
    if pa.types.is_run_end_encoded(chunk.type):
        decoded: pa.Array[Any] = pc.run_end_decode(chunk)  # type: ignore[attr-defined]  # its stubs have none
        return decoded
    if chunk.type.extension_name == "arrow.uuid":
        texts = (None if value is None else value.hex() for value in chunk.storage.to_pylist())
        return pa.array([text and "-".join(text[a:b] for a, b in _UUID) for text in texts], pa.string())
    storage: pa.Array[Any] = chunk.storage
    return pc.cast(storage, arrow_type(data_type(chunk.type)))


def _is_list_view(type_: pa.DataType) -> bool:
    return pa.types.is_list_view(type_) or pa.types.is_large_list_view(type_)


_UUID = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))


def readable_table(table: pa.Table) -> pa.Table:
    """A table whose columns are readable, except for those of types that no plan reads; itself where they all are."""
    for index, field in enumerate(table.schema):
        if _is_odd(field.type):
            column = readable(table.column(index))
            table = table.set_column(index, field.with_type(column.type), column)
    return table


def _is_odd(type_: pa.DataType) -> bool:
    """Whether an engine may lack a type that plans can read, or may read it as another one."""
    if data_type(type_).kind == "other":
        return False
    if pa.types.is_dictionary(type_):
        return not (pa.types.is_string(type_.value_type) or pa.types.is_large_string(type_.value_type))
    # Views of texts end DuckDB's process with some versions of Arrow.
    is_view = pa.types.is_string_view(type_) or pa.types.is_binary_view(type_)
    is_encoded = isinstance(type_, pa.BaseExtensionType) or pa.types.is_run_end_encoded(type_)
    if is_view or is_encoded or pa.types.is_float16(type_):
        return True
    return pa.types.is_nested(type_) and data_type(type_).can_be_feature and "halffloat" in str(type_)


def floor_to_micros(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """Nanoseconds as microseconds, rounded down also before 1970, where a cast would truncate."""
    nanos = pc.cast(column, pa.int64())
    cut = pc.divide(nanos, 1_000)
    is_above = pc.greater(pc.multiply(cut, 1_000), nanos)
    micros = pc.subtract(cut, pc.cast(is_above, pa.int64()))
    return cast("pa.ChunkedArray[Any]", pc.cast(micros, pa.timestamp("us", column.type.tz)))


def span_of(column: pa.ChunkedArray[Any]) -> tuple[int, int] | None:
    """The least and greatest integer, or instant in microseconds, rounded down; None of no values and other types."""
    type_, unit = column.type, None
    if pa.types.is_timestamp(type_):
        unit = type_.unit
    elif pa.types.is_date(type_):
        unit = "d" if pa.types.is_date32(type_) else "ms"
    elif not pa.types.is_integer(type_):
        return None
    ends = pc.min_max(column if unit is None else column.cast(pa.int32() if unit == "d" else pa.int64()))
    if not ends["min"].is_valid:
        return None
    scale = _MICROSECONDS[unit or "us"]
    return int(ends["min"].as_py() * scale // 1), int(ends["max"].as_py() * scale // 1)


def as_planned(column: pa.Array[Any], type_: DataType) -> pa.Array[Any]:
    """An engine's column as the planned Arrow type; the engine's timestamps are UTC without a zone."""
    wanted = arrow_type(type_)
    if column.type == wanted:
        return column
    if type_.kind == "list" and type_.element is not None:
        return _list_as_planned(column, type_.element)
    if type_.kind == "timestamp" and type_.zone is not None:
        return pc.cast(pc.cast(column, pa.timestamp("us")), pa.int64()).cast(wanted)
    return pc.cast(column, wanted)


def _list_as_planned(column: pa.Array[Any], element: DataType) -> pa.Array[Any]:
    """Lists whose elements are as planned; the array may be a slice of a longer one."""
    counts: Any = pc.list_value_length(column)
    ends: Any = pc.cumulative_sum(pc.cast(counts.fill_null(0), pa.int32()))
    offsets: Any = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    elements = as_planned(_elements(column), element)
    return pa.ListArray.from_arrays(offsets, elements, type=pa.list_(elements.type), mask=column.is_null())


def _elements(column: pa.Array[Any]) -> pa.Array[Any]:
    return cast("pa.ListArray[Any]", column).flatten()


def planned_column(batch: pa.RecordBatch, name: str, type_: DataType) -> pa.Array[Any]:
    """A feature's column of an engine's batch with its planned type. Raises an EngineError where it has none."""
    column = batch.column(name)
    try:
        return as_planned(column, type_)
    except (pa.ArrowException, OverflowError) as error:
        raise EngineError(f"feature {name!r}: the engine gave {column.type} for {type_}: {error}") from None


def planned_reader(reader: pa.RecordBatchReader, schema: Schema) -> pa.RecordBatchReader:
    """An engine's batches with their planned types."""
    wanted = pa.schema([pa.field(field.name, arrow_type(field.type)) for field in schema])

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in reader:
            columns = [planned_column(batch, field.name, field.type) for field in schema]
            for field, column in zip(schema, columns, strict=True):
                values = _elements(column) if field.type.kind == "list" else column
                if values.type == pa.uint64() and (pc.max(values).as_py() or 0) >= 2**63:
                    raise EngineError(f"feature {field.name!r} holds an unsigned value beyond 64 signed bits")
            yield pa.RecordBatch.from_arrays(columns, schema=wanted)

    return pa.RecordBatchReader.from_batches(wanted, batches())


def narrowed(data: Any, columns: Collection[str]) -> Any:
    """Arrow data with some of its columns, in their order, and at least one: a table without columns has no rows."""
    if not hasattr(data, "select"):
        return data
    names = [field.name for field in data.schema if field.name in columns]
    any_one = (field.name for field in data.schema if not data_type(field.type).is_nested)
    return data.select(names or [next(any_one, data.schema.names[0])])


def is_tabular(data: Any) -> bool:
    """Whether ``to_table`` takes it."""
    if type(data).__name__ == "Series":
        return False
    if isinstance(data, pa.Table | pa.RecordBatch) or hasattr(data, "__arrow_c_stream__"):
        return True
    return is_pandas(data) or _is_of("polars", "LazyFrame", data)


def to_table(data: Any) -> pa.Table:
    """An Arrow table of pandas, Polars, Arrow data or anything with ``__arrow_c_stream__``, without a pandas index.

    A pandas frame is copied, since it can be changed later; a lazy frame of Polars is collected. Raises ValueError
    where a pandas frame has a column of mixed types, or what gives the stream fails.
    """
    if isinstance(data, pa.Table):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    if is_pandas(data):
        return frame_table(data.copy())
    try:
        whole = data.collect() if _is_of("polars", "LazyFrame", data) else data
        return pa.RecordBatchReader.from_stream(whole).read_all()
    except Exception as error:  # Whatever the library that gives the stream raises, such as DuckDB for a relation.
        raise ValueError(f"{type(error).__name__}: {error}") from None


def frame_table(frame: Any) -> pa.Table:
    """The columns of a pandas frame as an Arrow table, without its index and perhaps with its memory."""
    return pa.Table.from_pandas(frame, preserve_index=False)


def is_pandas(data: Any) -> bool:
    """Whether it is a DataFrame of pandas, or of a library that builds on it."""
    return _is_of("pandas", "DataFrame", data)


def _is_of(library: str, name: str, data: Any) -> bool:
    """By name, so that no library is imported to find out."""
    return any(kind.__module__.split(".", 1)[0] == library and kind.__name__ == name for kind in type(data).__mro__)


def check_seconds(batch: pa.RecordBatch) -> None:
    """Raise an ArrowInvalid for a time in seconds that does not fit in milliseconds, which parquet stores instead."""
    for column in batch.columns:
        if pa.types.is_timestamp(column.type) and column.type.unit == "s":
            pc.cast(column, pa.timestamp("ms", column.type.tz))
