"""The event index: events sorted once by key and time, and what is read from their slices.

Pure functions on arrays. The package needs numpy, so the engine imports it when a request has an index to answer.
"""
