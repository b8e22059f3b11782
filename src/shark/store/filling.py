"""Taking run records into the tables of the index, and out of them."""

from __future__ import annotations

from collections.abc import Iterable

from shark.store.interning import Interner, unpacked
from shark.store.rows import Derived, Prepared
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

Stamp = tuple[int, int]
"""Size and mtime (ns) of a record's file."""


def set_day(connection: sqlite3.Connection, day: bytes, stamp: Stamp | None) -> None:
    """Note the inode number and ctime of a day's folder whose records are all in the index; None: it is gone."""
    if stamp is None:
        connection.execute("DELETE FROM days WHERE day = ?", (day,))
    else:
        connection.execute("INSERT OR REPLACE INTO days VALUES (?, ?, ?)", (day, *stamp))


def add_problem(connection: sqlite3.Connection, run: str, day: bytes, stamp: Stamp, problem: str) -> None:
    """Note a run whose record cannot be read, with size and mtime of the file, so that it is not tried each time."""
    connection.execute(
        "INSERT INTO runs (id, day, size, mtime, problem) VALUES (?, ?, ?, ?, ?)", (run, day, *stamp, problem)
    )


def add(
    connection: sqlite3.Connection, interner: Interner, run: str, day: bytes, stamp: Stamp, prepared: Prepared
) -> None:
    """Add a run with its outputs; and what it used, if that was prepared."""
    values = {"id": run, "day": day, "size": stamp[0], "mtime": stamp[1], **prepared.columns}
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    number = connection.execute(f"INSERT INTO runs ({names}) VALUES ({marks})", tuple(values.values())).lastrowid
    assert number is not None
    sizes = {(row.size,) for row in prepared.outputs}
    connection.executemany("INSERT OR IGNORE INTO sizes VALUES (?)", sizes)
    if prepared.derived is not None:
        add_inputs(connection, interner, number, prepared.derived)
        return
    files = interner.files(prepared.outputs)
    connection.executemany(
        "INSERT INTO outputs (run, file) VALUES (?, ?)", [(number, files[row]) for row in prepared.outputs]
    )


def add_inputs(connection: sqlite3.Connection, interner: Interner, run: int, derived: Derived) -> None:
    """Add what a run used, and from what each output derives; outputs that are there already are replaced."""
    every = [row for found in derived.sets for rows in found for row in rows]
    every += [row for made in derived.made for row in (made.file, *made.own)]
    files = interner.files([*every, *derived.rest])
    sets = [
        frozenset([*(files[row] * 2 for row in found.inputs), *(files[row] * 2 + 1 for row in found.controls)])
        for found in derived.sets
    ]
    rest = frozenset(files[row] * 2 for row in derived.rest)
    numbers = interner.sets(sets)
    used = dict.fromkeys([*numbers, *(interner.sets([rest]) if rest else ())])
    connection.executemany("INSERT INTO uses VALUES (?, ?)", [(run, number) for number in used])
    notes = [(run, files[row], note.used, note.makers) for row, note in derived.notes.items()]
    connection.executemany("INSERT OR REPLACE INTO notes VALUES (?, ?, ?, ?)", notes)
    # Where the outputs of a run derive from different sets, these are numbered in the order of the record.
    parts = {number: part for part, number in enumerate(dict.fromkeys(numbers), 1)}
    connection.execute("DELETE FROM outputs WHERE run = ?", (run,))
    for made in derived.made:
        inputs = None if made.inputs is None else numbers[made.inputs]
        part = parts[inputs] if inputs is not None and len(parts) > 1 else 0
        statement = "INSERT INTO outputs (run, file, part, inputs) VALUES (?, ?, ?, ?)"
        output = connection.execute(statement, (run, files[made.file], part, inputs)).lastrowid
        owned = [(output, files[row]) for row in dict.fromkeys(made.own)]
        connection.executemany("INSERT INTO owns VALUES (?, ?)", owned)
    connection.execute("UPDATE runs SET inputs = 1, scope = ? WHERE n = ?", (derived.scope, run))


def drop(connection: sqlite3.Connection, run: str) -> bool:
    """Remove a run, and what only it had: nothing of a run that was forgotten stays. Tell whether it was there."""
    found = connection.execute("SELECT n FROM runs WHERE id = ?", (run,)).fetchone()
    if found is None:
        return False
    number = found[0]
    sets = {n for (n,) in connection.execute("SELECT inputs FROM uses WHERE run = ?", (number,))}
    query = (
        "SELECT file FROM outputs WHERE run = ?1 UNION SELECT file FROM notes WHERE run = ?1 "
        "UNION SELECT w.file FROM owns w JOIN outputs o ON o.n = w.output WHERE o.run = ?1"
    )
    files = {n for (n,) in connection.execute(query, (number,))}
    connection.execute("DELETE FROM owns WHERE output IN (SELECT n FROM outputs WHERE run = ?)", (number,))
    for table in ("outputs", "uses", "notes"):
        connection.execute(f"DELETE FROM {table} WHERE run = ?", (number,))
    connection.execute("DELETE FROM runs WHERE n = ?", (number,))
    while sets:
        files |= _drop_set(connection, sets.pop(), sets)
    _drop_files(connection, files)
    return True


def _drop_set(connection: sqlite3.Connection, number: int, parents: set[int]) -> set[int]:
    """Remove a set that nothing needs any more, and give its files; its parent may be the next."""
    query = (
        "SELECT parent, members FROM sets s WHERE n = ? AND NOT EXISTS (SELECT 1 FROM uses WHERE inputs = s.n) "
        "AND NOT EXISTS (SELECT 1 FROM sets WHERE parent = s.n)"
    )
    found = connection.execute(query, (number,)).fetchone()
    if found is None:
        return set()
    members = list(unpacked(found[1]))
    connection.executemany(
        "DELETE FROM members WHERE member = ? AND inputs = ?", ((member, number) for member in members)
    )
    connection.execute("DELETE FROM sets WHERE n = ?", (number,))
    if found[0] is not None:
        parents.add(found[0])
    return {member >> 1 for member in members}


def _drop_files(connection: sqlite3.Connection, files: Iterable[int]) -> None:
    numbers = sorted(files)
    directories = {
        directory
        for n in numbers
        for (directory,) in connection.execute("SELECT directory FROM files WHERE n = ?", (n,))
    }
    statement = (
        "DELETE FROM files WHERE n = ?1 AND NOT EXISTS (SELECT 1 FROM outputs WHERE file = ?1) "
        "AND NOT EXISTS (SELECT 1 FROM members WHERE member IN (?1 * 2, ?1 * 2 + 1)) "
        "AND NOT EXISTS (SELECT 1 FROM owns WHERE file = ?1)"
    )
    connection.executemany(statement, ((n,) for n in numbers))
    statement = "DELETE FROM directories WHERE n = ?1 AND NOT EXISTS (SELECT 1 FROM files WHERE directory = ?1)"
    connection.executemany(statement, ((n,) for n in sorted(directories)))
