from __future__ import annotations

from exporter.model.user import Owner, User, with_known_objects


def test_equal_users_are_the_known_objects_in_the_order_of_the_list() -> None:
    known = [User("1", "li", owner=Owner("li@x.com")), User("2", "wang")]
    listed = [User("2", "wang"), User("1", "li", owner=Owner("other@x.com")), User("3", "fang")]
    found = with_known_objects(listed, known)
    assert found == tuple(listed)
    assert [one is other for one, other in zip(found, (known[1], listed[1], listed[2]), strict=True)] == [True] * 3
    assert with_known_objects((), known) == ()
