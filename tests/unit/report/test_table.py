from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from exporter.report.table import Column, drawn, fitted


def lines(*columns: Column, width: int | None, all_of_them: bool = False) -> list[str]:
    return list(drawn(fitted(columns, width, all_of_them=all_of_them)))


USER = Column("USER", ["li.wei", "张三"], 4, 0)
TOKEN = Column("TOKEN", ["nightly-build", "ci"], 8, 1)
ID = Column("ID", ["pt-0123456789", "pt-1"], None, 2)


def test_columns_are_as_wide_as_their_text() -> None:
    assert lines(USER, TOKEN, ID, width=None) == [
        "USER    TOKEN          ID",
        "li.wei  nightly-build  pt-0123456789",
        "张三    ci             pt-1",
    ]


def test_columns_that_may_be_cut_make_room_for_the_others() -> None:
    # 6 + 2 + 9 + 2 + 13
    assert lines(USER, TOKEN, ID, width=32) == [
        "USER    TOKEN      ID",
        "li.wei  nightly-…  pt-0123456789",
        "张三    ci         pt-1",
    ]


def test_columns_of_a_low_rank_are_left_out_before_any_is_cut_below_its_least_width() -> None:
    assert [column.heading for column, _ in fitted((USER, TOKEN, ID), 20)] == ["USER", "TOKEN"]
    assert [column.heading for column, _ in fitted((USER, TOKEN, ID), 3)] == ["USER"]


def test_chosen_columns_are_all_shown() -> None:
    assert [column.heading for column, _ in fitted((USER, TOKEN, ID), 3, all_of_them=True)] == ["USER", "TOKEN", "ID"]


def test_a_wide_character_is_not_cut_in_half() -> None:
    # Each character takes two columns: with three columns, one and the ellipsis fit.
    assert lines(Column("N", ["张三李四"], 3, 0), width=3) == ["N", "张…"]


def test_colours_take_no_room() -> None:
    red = Column("A", ["x", "y"], None, 0, lambda row: ("<", ">") if row == 0 else None)
    found = list(drawn([(red, 2), (USER, 6)], colour=True))
    assert found[1:] == ["<x>   li.wei", "y   张三"]


@given(
    st.lists(st.tuples(st.text("a张\u3000", max_size=30), st.integers(1, 12) | st.none()), min_size=1, max_size=6),
    st.integers(12, 120),
)
def test_no_line_is_wider_than_the_table_if_columns_can_be_cut(cells: list[tuple[str, int | None]], width: int) -> None:
    columns = [Column("H", [text], least, rank) for rank, (text, least) in enumerate(cells)]
    chosen = fitted(columns, width)
    assert len({id(column) for column, _ in chosen}) == len(chosen) >= 1
    if columns[0].least is not None:
        assert max(map(cell_len, drawn(chosen))) <= width
