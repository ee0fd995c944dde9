"""Work on arrays beside the statements of a run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


_MOST_THREADS = 4


class Steps:
    """Steps that are begun one after another, in threads of their own, while the next statement is read.

    One may wait for another that was begun before it.
    """

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None

    def begin(self, step: Callable[[], T]) -> Future[T]:
        """Have a step done; what it refers to is let go of when it is."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(max_workers=min(_MOST_THREADS, os.cpu_count() or 1))
        return self._threads.submit(step)

    def end(self) -> None:
        """Begin no more steps."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)


def timed(step: Callable[[], T]) -> tuple[T, float]:
    """What a step gives, and the seconds that it took."""
    started = time.perf_counter()
    return step(), time.perf_counter() - started
