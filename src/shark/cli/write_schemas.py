"""Writes the JSON Schemas that shark ships, after a type changed: `python -m shark.cli.write_schemas`."""

from __future__ import annotations

import os

from shark import schemas
from shark.model import schema
from shark.settings import documents as settings
from shark.view import documents

DOCUMENTS = {**schema.DOCUMENTS, **documents.DOCUMENTS, **settings.DOCUMENTS}
"""Every document that shark writes, or reads: the names of the schema files (without `.json`), and the types."""


def main() -> None:
    """Write every schema into the package `shark.schemas`; raises OSError."""
    for folder in schemas.__path__:
        for name, content in schema.texts(DOCUMENTS):
            with open(os.path.join(folder, name), "wb") as file:
                file.write(content)


if __name__ == "__main__":
    main()
