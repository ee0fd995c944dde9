"""Entity rows: what is asked about."""
