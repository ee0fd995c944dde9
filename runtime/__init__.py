"""Everything with an effect: engines, sources, stores, jobs."""
