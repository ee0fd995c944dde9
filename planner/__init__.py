"""The planner: definitions, expressions, relational plans and rules. Pure: no I/O, no engine."""
