"""The tree of those that are alive."""

from __future__ import annotations

import pytest

from shark.capture.tasks import Process, Task, Tree


def tree_of(*processes: Process) -> Tree:
    """A tree with all threads of these."""
    tree = Tree()
    for process in processes:
        tree.tasks.update((tid, Task(tid, process)) for tid in process.tids)
    return tree


def with_threads(number: int, pid: int, *tids: int) -> Process:
    """A process of several threads."""
    process = Process(number, pid)
    process.tids |= {*tids}
    return process


def test_processes_are_told_once_and_by_their_numbers() -> None:
    second, first = with_threads(2, 20, 21, 22), Process(1, 30)
    tree = tree_of(second, first)
    assert tree.processes() == [first, second]
    assert tree.alive == 2


def test_a_thread_that_is_changed_is_not_settled() -> None:
    tree = tree_of(Process(1, 10), Process(2, 20))
    assert tree.settled
    tree.tasks[20].restore = lambda tid: None
    assert not tree.settled


def test_a_process_speaks_by_its_main_thread() -> None:
    process = with_threads(1, 10, 8, 11)
    tree = tree_of(process)
    assert tree.task(process) is tree.task_of(process) is tree.tasks[10]


def test_a_main_thread_that_has_ended_has_nothing_any_more() -> None:
    """It is there as long as others are, but its files and its directory are gone."""
    process = with_threads(1, 10, 8, 11)
    tree = tree_of(process)
    process.exiting.add(10)
    assert tree.task_of(process) is tree.tasks[8]
    process.tids.discard(10)
    del tree.tasks[10]
    assert tree.task(process) is tree.task_of(process) is tree.tasks[8]


def test_of_a_process_without_threads_there_is_one_that_is_gone() -> None:
    process = Process(1, 10)
    process.tids.clear()
    tree = Tree()
    assert (tree.task_of(process).tid, tree.task_of(process).process) == (10, process)
    assert not tree.tasks
    with pytest.raises(KeyError):
        tree.task(process)
