"""``python -m benchmarks``: what hitherto costs against what people use instead. ``--help`` says more.

A first word that is no option is a sub-command, which is a module of this package with a ``main(arguments)``.
"""

from __future__ import annotations

import importlib
import sys

COMMANDS = ("run", "report", "rates")


def main(arguments: list[str]) -> int:
    """Run a sub-command, ``run`` where none is named."""
    command, rest = (
        (arguments[0], arguments[1:]) if arguments and not arguments[0].startswith("-") else ("run", arguments)
    )
    if command not in COMMANDS:
        print(f"no command is called {command!r}; there are: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    return int(importlib.import_module(f"{__package__}.{command}").main(rest) or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
