"""pandas and Polars at the edge: answers as their frames that keep every value, and rows of pandas as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ..planner.errors import UnsupportedError
from .arrow import LISTS, data_type, readable

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


def to_frame(table: pa.Table) -> pd.DataFrame:
    """A table as a DataFrame that keeps every value.

    pandas' usual types, but where they would lose a value: integers and booleans of which one is missing are nullable
    ("Int64", "boolean"), and what has no usual type (dates beyond the year 9999, lists and structs in which an integer
    is missing) stays Arrow's (``pd.ArrowDtype``).
    """
    import pandas as pd

    try:
        frame: pd.DataFrame = table.to_pandas()
    except (pa.ArrowException, ValueError, OverflowError):
        frame = pd.DataFrame({name: _usual(table[name]) for name in table.column_names})
    for name in table.column_names:
        if name not in frame.columns:
            continue  # the table itself says that the column is an index
        kept = _kept(table[name], frame[name].dtype)
        if kept is not None:
            frame[name] = kept.set_axis(frame.index)
    return frame


def with_features(rows: pd.DataFrame, names: list[str], features: pa.Table) -> pd.DataFrame:
    """The entity rows as they were given, index included, with the features beside them."""
    import pandas as pd

    if list(rows.columns) != names:  # numbers, or names of several levels, which are texts in Arrow
        rows = rows.set_axis(names, axis=1)
    added = to_frame(features)
    added.index = rows.index
    return pd.concat([rows, added], axis=1)


def _usual(column: pa.ChunkedArray[Any]) -> pd.Series[Any]:
    import pandas as pd

    try:
        return column.to_pandas()
    except (pa.ArrowException, ValueError, OverflowError):
        return pd.Series(pd.arrays.ArrowExtensionArray(column))


def _kept(column: pa.ChunkedArray[Any], dtype: object) -> pd.Series[Any] | None:
    """The column with a type that keeps its values; None where the usual one does."""
    import pandas as pd

    type_ = column.type
    if pa.types.is_nested(type_):
        is_changed = str(dtype) == "object" and any(_misses_integers(chunk) for chunk in column.chunks)
        return pd.Series(pd.arrays.ArrowExtensionArray(column)) if is_changed else None
    if not column.null_count:
        return None
    if pa.types.is_integer(type_) and str(dtype).startswith("float"):
        return _nullable(column, str(type_).replace("int", "Int").replace("uI", "UI"))
    if pa.types.is_boolean(type_) and str(dtype) == "object":
        return _nullable(column, "boolean")
    return None


def _nullable(column: pa.ChunkedArray[Any], name: str) -> pd.Series[Any]:
    from pandas.api.types import pandas_dtype

    extension: Any = pandas_dtype(name)
    return column.to_pandas(types_mapper=lambda type_: extension)


def _misses_integers(values: pa.Array[Any]) -> bool:
    """Whether an integer within lists or structs is missing: pandas makes floats of those beside it."""
    if pa.types.is_integer(values.type):
        return values.null_count > 0
    if isinstance(values, pa.StructArray):
        return any(_misses_integers(values.field(index)) for index in range(values.type.num_fields))
    if isinstance(values, pa.MapArray):
        return _misses_integers(values.items)
    if any(is_list(values.type) for is_list in LISTS):
        listed: Any = values
        return _misses_integers(listed.flatten())
    return False


def to_polars(table: pa.Table) -> pl.DataFrame:
    """A table as a DataFrame of Polars. Raises an UnsupportedError that names the columns of types that it has not."""
    import polars as pl

    # Polars takes no run ends and no views of lists.
    decoded: list[Any] = [_decoded(column) for column in table.columns]
    plain = pa.table(decoded, names=table.column_names)
    frame = _polars(plain)
    if isinstance(frame, pl.DataFrame):
        return frame
    odd = [field for field in table.schema if _polars(plain.select([field.name])) is None]
    listed = ", ".join(f"{field.name!r} is {field.type}" for field in odd)
    raise UnsupportedError(f"to_polars: column {listed}, which Polars does not have; leave it out of the entity rows")


def _decoded(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    type_ = column.type
    is_odd = pa.types.is_run_end_encoded(type_) or pa.types.is_list_view(type_) or pa.types.is_large_list_view(type_)
    return readable(column) if is_odd and data_type(type_).can_be_feature else column


def _polars(table: pa.Table) -> object:
    """The frame, or None where Polars fails: some of its failures are no ``Exception``."""
    import polars as pl

    try:
        return pl.from_arrow(table)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:
        return None
