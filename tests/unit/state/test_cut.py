"""Pages of rows, compared with slices of all rows in order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exporter.state.cut import TopRows, Wanted

ROWS = st.lists(st.tuples(st.integers(0, 3).map(float), st.integers(0, 1000)), unique=True, max_size=40)


@given(rows=ROWS, descending=st.booleans(), limit=st.integers(1, 5) | st.none(), start=st.integers(0, 40))
def test_a_page_of_unsorted_rows(
    rows: list[tuple[float, int]], limit: int | None, start: int, *, descending: bool
) -> None:
    every = sorted(rows, reverse=descending)
    after = every[start - 1] if 0 < start <= len(every) else None
    expected = every[start:] if after is not None else every
    assert Wanted(descending, after, limit).sort(rows, lambda row: row) == expected[:limit]


@given(rows=ROWS, descending=st.booleans(), limit=st.integers(1, 5), portion=st.integers(1, 7))
def test_the_first_rows_by_value_in_portions(
    rows: list[tuple[float, int]], limit: int, portion: int, *, descending: bool
) -> None:
    # Rows come in the basic order, which decides among equal values.
    basic = sorted(rows, key=lambda row: row[1])
    top = TopRows(Wanted(descending, None, limit))
    for begin in range(0, len(basic), portion):
        part = basic[begin : begin + portion]
        top.add(part, range(len(part)), [value for value, _ in part])
    expected = sorted(enumerate(basic), key=lambda pair: (pair[1][0], pair[0]), reverse=descending)
    assert [row for _, row in top.page()] == [row for _, row in expected[:limit]]


@given(rows=ROWS, descending=st.booleans(), start=st.integers(0, 40))
def test_the_places_after_the_last_page(rows: list[tuple[float, int]], start: int, *, descending: bool) -> None:
    every = sorted(rows)
    after = every[start] if start < len(every) else None
    wanted = Wanted(descending, after)
    found = [every[at] for at in wanted.following(every, range(len(every)), lambda row: row)]
    if after is None:
        assert found == every
    else:
        assert found == (every[:start] if descending else every[start + 1 :])


def test_a_page_has_at_most_so_many_places() -> None:
    assert ([*Wanted(limit=2).first(range(5))], [*Wanted(descending=True, limit=2).first(range(5))]) == ([0, 1], [3, 4])
    assert [*Wanted(limit=None).first(range(3))] == [0, 1, 2]
