"""Cells that processes share, and names that keep their cells."""

from __future__ import annotations

import os

import pytest

from greenlb.board import FIRST, Board, BoardFull


def test_rows_are_apart_and_add_up() -> None:
    board = Board(3, 16)
    board.row(0)[FIRST] += 2
    board.row(2)[FIRST] += 5
    assert board.row(1)[FIRST] == 0
    assert board.total(FIRST) == 7
    assert list(board.column(FIRST)) == [2, 0, 5]
    with pytest.raises(IndexError):
        board.row(3)


def test_a_reader_sees_the_rows_that_are_in_use() -> None:
    board = Board(5, 16)
    one, two = board.across(FIRST), board.across(FIRST + 1, 2)
    assert one() == ()
    board.row(2)[FIRST] = 7
    board.row(2)[FIRST + 2] = -1
    board.row(0)[FIRST + 1] = 4
    assert one() == (0, 0, 7)
    assert two() == (4, 0, 0, 0, 0, -1)


def test_a_name_keeps_its_cells_and_new_names_come_after() -> None:
    board = Board(1, 64)
    first = board.place("S web/s1", 4)
    second = board.place("S web/s2", 4)
    assert (first, second) == (FIRST, FIRST + 4)
    assert board.place("S web/s1", 4) == first


def test_names_live_on_with_the_descriptor() -> None:
    """What a re-executed master does: the same memory, the same names, new ones behind them."""
    old = Board(2, 64)
    place = old.place("a", 3)
    old.row(1)[place] = -7
    new = Board(2, 64, os.dup(old.descriptor), old.known())
    assert new.row(1)[new.place("a", 3)] == -7
    assert new.place("b", 1) == place + 3
    new.row(0)[place] = 5
    assert old.row(0)[place] == 5


def test_a_full_board_says_so() -> None:
    board = Board(1, FIRST + 3)
    board.place("a", 2)
    with pytest.raises(BoardFull, match="no room for 'b'"):
        board.place("b", 1)


def test_a_child_writes_what_its_parent_reads() -> None:
    board = Board(2, 16)
    pid = os.fork()
    if not pid:
        board.row(1)[FIRST] = 41
        os._exit(0)
    os.waitpid(pid, 0)
    assert board.total(FIRST) == 41
