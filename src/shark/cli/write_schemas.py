"""Writes the JSON Schemas that shark ships, after a type changed: `python -m shark.cli.write_schemas`."""

from __future__ import annotations

import os

from shark import schemas
from shark.model.schema import texts


def main() -> None:
    """Write every schema into the package `shark.schemas`; raises OSError."""
    for folder in schemas.__path__:
        for name, content in texts():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(content)


if __name__ == "__main__":
    main()
