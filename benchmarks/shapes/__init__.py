"""The shapes: every module of this folder has a tuple ``SHAPES``; a new shape is one entry, or one file."""

from __future__ import annotations

import importlib
import pkgutil

from ..shape import Shape


def _found() -> dict[str, Shape]:
    modules = (importlib.import_module(f".{module.name}", __name__) for module in pkgutil.iter_modules(__path__))
    shapes = [shape for module in modules for shape in module.SHAPES]
    found = {shape.name: shape for shape in shapes}
    if len(found) < len(shapes):
        raise ValueError("two shapes have one name")
    return found


SHAPES = _found()
