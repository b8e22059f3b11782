"""The command `shark`, and `python -m shark`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line and give its exit status.

    `run` is told apart before click is imported: click alone takes 40 ms, and whoever traces should not wait for it.
    """
    if sys.argv[1:2] == ["run"]:
        from shark.cli.run import main as run

        return run(sys.argv[2:])
    from shark.cli.app import main as others

    return others(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
