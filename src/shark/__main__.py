"""The command `shark`, and `python -m shark`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line and give its exit status.

    `run` is told apart before click is imported: click alone takes 40 ms, and whoever traces should not wait for it.
    """
    if sys.argv[1:2] == ["run"]:
        import gc

        gc.disable()  # nothing that is made until the command starts is let go of; who lives on enables it again
        from shark.cli.run import main as run

        return run(sys.argv[2:])
    if sys.argv[1:2] == ["record"]:  # it is called often, from inside of runs
        from shark.cli.record_value import main as record

        return record(sys.argv[2:])
    from shark.cli.app import main as others
    from shark.cli.leaving import leave

    return leave(others(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
