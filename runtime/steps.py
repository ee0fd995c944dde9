"""Work on arrays beside the statements of a run."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Steps:
    """Steps that are done one after another in a thread of their own, while the next statement is read."""

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None

    def begin(self, step: Callable[[], T]) -> Future[T]:
        """Have a step done when those before it are; what it refers to is let go of when it is done."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(max_workers=1)
        return self._thread.submit(step)

    def end(self) -> None:
        """Begin no more steps."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)


def timed(step: Callable[[], T]) -> tuple[T, float]:
    """What a step gives, and the seconds that it took."""
    started = time.perf_counter()
    return step(), time.perf_counter() - started
