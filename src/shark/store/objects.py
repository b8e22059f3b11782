"""Objects that are too large for memory: kept under their sha256 like all others, but written part by part."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

from shark.store import files
from shark.store.home import Store


def put_parts(store: Store, parts: Iterable[bytes]) -> tuple[str, int]:
    """Keep what the parts are together; gives its sha256 and size. Raises OSError, and then leaves nothing behind."""
    import hashlib

    directory = os.path.join(store.root, b"objects")
    files.make_private(directory)
    temporary = os.path.join(directory, files.TEMPORARY + os.urandom(6).hex().encode())
    digest, size = hashlib.sha256(), 0
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            for part in parts:
                digest.update(part)
                size += len(part)
                file.write(part)
        path = store.object_path(digest.hexdigest())
        files.make_private(os.path.dirname(path))
        os.rename(temporary, path)  # the same bytes if it is there already; its new time says that it is needed
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    return digest.hexdigest(), size


def parts_of(store: Store, sha256: str) -> Iterable[bytes]:
    """Read an object part by part, once it is known to be whole. Raises NotFound, RecordDamaged or OSError."""
    import hashlib

    from shark.errors import NotFound, RecordDamaged

    try:
        with open(store.object_path(sha256), "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise RecordDamaged(
                    f"object {sha256} is damaged: its content has another digest", "Restore it from a copy."
                )
            file.seek(0)
            while part := file.read(1 << 20):
                yield part
    except FileNotFoundError:
        raise NotFound(f"object {sha256} is not in the store", "It was never kept, or its run was forgotten.") from None
