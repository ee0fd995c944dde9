"""pandas at the edge: answers as DataFrames that keep every value, and entity rows that come back as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    import pandas as pd


def to_frame(table: pa.Table) -> pd.DataFrame:
    """A table as a DataFrame in which no value is another one.

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
    if isinstance(values, pa.ListArray | pa.LargeListArray | pa.FixedSizeListArray):
        return _misses_integers(values.flatten())
    return False
