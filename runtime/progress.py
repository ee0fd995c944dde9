"""A line on the terminal that says how far a job is, once it takes longer than two seconds."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol, Self, TextIO

from .events import Event, Finished, Planned, Started

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

AFTER = 2.0
"""Seconds that a job may take before anything is shown."""
# Of the jobs that run at once, one is shown.
_SCREEN = threading.Lock()


class Display(Protocol):
    """Where progress is shown; ``every`` is how many seconds apart."""

    every: float

    def show(self, text: str, done: int, total: int | None) -> None:
        """Show how far the job is, in the place of what was shown before."""
        ...

    def close(self) -> None:
        """Leave the place as it was."""
        ...


class Progress:
    """Shows on stderr what is run, while the context is open and until ``stop``.

    ``wanted`` is None for a terminal alone, True for any stderr, and False for never. All of it is written by one
    thread of its own, which is joined before the context ends: what is printed afterwards, an error's traceback
    included, begins on a line of its own.
    """

    def __init__(self, what: str, *, wanted: bool | None) -> None:
        self._total: int | None = None
        self._what = what
        self._wanted = wanted
        self._done = 0
        self._current = ""
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        stream: TextIO | None = sys.stderr
        if stream is not None and (self._wanted or (self._wanted is None and _is_terminal(stream))):
            self._thread = threading.Thread(target=self._run, args=(stream,), name="hitherto-progress", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Show no more, and leave no trace of what was shown; it may be called again."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def __call__(self, event: Event) -> None:
        """Show the statement that runs, and how many were run of how many."""
        match event:
            case Planned(statements=statements):
                self._total = self._done + statements
            case Started(statement=statement):
                self._current = statement.name
            case Finished():
                self._done += 1
            case _:
                pass

    def _run(self, stream: TextIO) -> None:
        started = time.monotonic()
        if self._stopped.wait(AFTER) or not _SCREEN.acquire(blocking=False):
            return
        try:
            self._show(stream, started)
        finally:
            _SCREEN.release()

    def _show(self, stream: TextIO, started: float) -> None:
        # A stream that was closed, or whose reader has gone, is no reason for a job to fail.
        with suppress(OSError, ValueError):
            display = _display(stream)
            try:
                while not self._stopped.is_set():
                    text = ", ".join(part for part in (f"hitherto: {self._what}", self._current) if part)
                    display.show(f"{text}, {time.monotonic() - started:.0f} s", self._done, self._total)
                    self._stopped.wait(display.every)
            finally:
                display.close()


class Line:
    """One line of a terminal that is written over."""

    every = 0.25

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._length = 0

    def show(self, text: str, done: int, total: int | None) -> None:
        """Write over what was there, without a break of the line."""
        line = _counted(text, done, total)[: _columns(self._stream) - 1]
        self._stream.write(f"\r{line.ljust(self._length)}")
        self._stream.flush()
        self._length = len(line)

    def close(self) -> None:
        """Blank the line, and begin it again."""
        self._stream.write(f"\r{' ' * self._length}\r")
        self._stream.flush()


class Lines:
    """A line now and then, where nothing can be written over: a file, a pipe, a notebook."""

    every = 10.0

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show(self, text: str, done: int, total: int | None) -> None:
        """Write one more line."""
        self._stream.write(f"{_counted(text, done, total)}\n")
        self._stream.flush()

    def close(self) -> None:
        """Nothing is left to undo."""


class Bar:
    """A bar of rich's."""

    every = 0.25

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as RichProgress

        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        self._progress: RichProgress = RichProgress(
            *columns, console=Console(file=stream), transient=True, auto_refresh=False, redirect_stdout=False,
            redirect_stderr=False,
        )  # fmt: skip
        self._task = self._progress.add_task("", total=None)

    def show(self, text: str, done: int, total: int | None) -> None:
        """Draw the bar again."""
        self._progress.update(self._task, description=text, completed=done, total=total)
        self._progress.start()
        self._progress.refresh()

    def close(self) -> None:
        """Take the bar away, and show the cursor."""
        self._progress.stop()


def _display(stream: TextIO) -> Display:
    if not _is_terminal(stream):
        return Lines(stream)
    return Bar(stream) if find_spec("rich") is not None else Line(stream)


def _counted(text: str, done: int, total: int | None) -> str:
    return f"{text}, {done} of {total} statements done" if total else text


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # It is closed.
        return False


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
