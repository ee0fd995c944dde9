"""Room for work that recurses: over deep trees, or when the caller's own stack is nearly full.

Planning is pure, so work that finds no room is done again from its start, on the larger stack of a thread of its own.
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from functools import wraps
from types import FrameType
from typing import ParamSpec, TypeVar

from .errors import HithertoError

P = ParamSpec("P")
T = TypeVar("T")

_STACK_BYTES = 512 * 2**20
_STACK_FRAMES = 100_000
"""Python's own limit in such a thread: at 5 KiB for each frame the stack is never used up."""
_STARTING = 60
_room = threading.local()
_changing = threading.Lock()
_open = 0
_limit_before = 0


class TooDeepError(HithertoError):
    """Something is nested so deep that the large stack was too small as well."""


def has_room() -> bool:
    """Whether this thread is one with a large stack: a RecursionError there means that something has no end."""
    return getattr(_room, "is_large", False)


def with_room(function: Callable[P, T]) -> Callable[P, T]:
    """The same pure function, which is called again on a large stack where the present one is too small for it.

    >>> @with_room
    ... def depth(levels: int) -> int:
    ...     return levels and 1 + depth.__wrapped__(levels - 1)
    >>> depth(5_000)
    5000
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except RecursionError:
            if has_room() or not _can_start():
                raise
        return _on_a_large_stack(lambda: function(*args, **kwargs))

    return call


def _can_start() -> bool:
    """Whether there are frames enough to start a thread; else a caller further up does."""
    depth = 0
    frame: FrameType | None = inspect.currentframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    return sys.getrecursionlimit() - depth > _STARTING


def _on_a_large_stack(work: Callable[[], T]) -> T:
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        _room.is_large = True
        try:
            done.append(work())
        except BaseException as error:
            failed.append(error)

    context = copy_context()
    with _deep_recursion():
        thread = _started(lambda: context.run(run))
        thread.join()
    if failed and isinstance(failed[0], RecursionError):
        raise TooDeepError(f"nested too deep to be planned: {_STACK_FRAMES:,} calls within each other") from None
    if failed:
        raise failed[0]
    return done[0]


def _started(target: Callable[[], None]) -> threading.Thread:
    """The size of a thread's stack is a setting of all threads that are started, so it is put back at once."""
    thread = threading.Thread(target=target, name="hitherto planning", daemon=True)
    with _changing:
        before = threading.stack_size(_STACK_BYTES)
        try:
            thread.start()
        finally:
            threading.stack_size(before)
    return thread


@contextmanager
def _deep_recursion() -> Generator[None]:
    """Python's limit is one for all threads: it is raised by the first who needs it and put back by the last."""
    global _open, _limit_before
    with _changing:
        if _open == 0:
            _limit_before = sys.getrecursionlimit()
            sys.setrecursionlimit(max(_limit_before, _STACK_FRAMES))
        _open += 1
    try:
        yield
    finally:
        with _changing:
            _open -= 1
            if _open == 0:
                # Refused where this thread's own depth is already beyond the limit, which nothing here has changed.
                with suppress(RecursionError):
                    sys.setrecursionlimit(_limit_before)
