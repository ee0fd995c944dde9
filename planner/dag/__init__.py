"""The DAG of operations that answers a task."""
