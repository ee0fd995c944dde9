"""DuckDB's SQL: what it spells in its own way, and where its default meaning is not the canonical one."""

from .dialect import DuckDBDialect as DuckDBDialect
