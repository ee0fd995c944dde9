"""Spark SQL: what it spells in its own way, and where its default meaning is not the canonical one."""

from .dialect import POSITION as POSITION
from .dialect import SESSION as SESSION
from .dialect import SparkDialect as SparkDialect
from .files import file_columns as file_columns
from .files import literal_path as literal_path
from .files import read_options as read_options
