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


@given(
    rows=ROWS, descending=st.booleans(), limit=st.integers(1, 5) | st.none(), portion=st.integers(1, 7),
    start=st.integers(0, 40),
)  # fmt: skip
def test_the_rows_of_a_page_by_value_in_portions(
    rows: list[tuple[float, int]], limit: int | None, portion: int, start: int, *, descending: bool
) -> None:
    # Rows come in the basic order, which decides among equal values; reversed if the page is.
    basic = sorted(rows, key=lambda row: row[1])
    every = sorted(rows, reverse=descending)
    after = every[start - 1] if 0 < start <= len(every) else None
    expected = every if after is None else every[start:]
    top = TopRows[tuple[float, int]](Wanted(descending, after, limit), lambda row: row[1:])
    portions = [basic[begin : begin + portion] for begin in range(0, len(basic), portion)]
    for part in reversed(portions) if descending else portions:
        at = [place for place, (value, _) in enumerate(part) if top.bounds.include(value)]
        top.add(part, at, [part[place][0] for place in at])
    assert [row for _, row in top.page()] == expected[:limit]


def test_a_full_page_excludes_what_cannot_be_on_it() -> None:
    top = TopRows[tuple[float, int]](Wanted(after=(1.0, 7), limit=2), lambda row: row[1:])
    assert [top.bounds.include(one) for one in (0.9, 1.0, 99.0)] == [False, True, True]
    # Of the rows with the first value, only those after the last page count.
    top.add([(1.0, 7), (2.0, 8), (1.0, 9)], range(3), [1.0, 2.0, 1.0])
    assert top.page() == [(1.0, (1.0, 9)), (2.0, (2.0, 8))]
    # A further row with the last value would follow.
    assert [top.bounds.include(one) for one in (0.9, 1.0, 1.9, 2.0)] == [False, True, True, False]
    reverse = TopRows[tuple[float, int]](Wanted(descending=True, limit=1), lambda row: row[1:])
    reverse.add([(1.0, 7), (2.0, 8), (2.0, 9)], range(3), [1.0, 2.0, 2.0])
    assert reverse.page() == [(2.0, (2.0, 9))]
    assert [reverse.bounds.include(one) for one in (2.0, 2.1)] == [False, True]


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
