"""The names that filters offer."""

from __future__ import annotations

from collections import Counter

from support.builders import NOW, a_key, a_token

from exporter.model.state import UserState
from exporter.model.user import Owner, User
from exporter.state.facets import MOST, Facets


def a_user(department: str | None, *permissions: str) -> UserState:
    user = User("1", "li", (), None, Owner(None, department))
    return UserState(user).succeeded((a_token(permissions=permissions),), NOW, ssh_keys=(a_key(),))


def test_what_occurs_is_counted_and_what_has_gone_is_not() -> None:
    facets = Facets()
    before, after = a_user("Ops", "a_read", "b_read"), a_user("Dev", "b_read")
    facets.change([(None, before)])
    assert (facets.permissions, facets.departments) == (Counter(a_read=1, b_read=1, ALL=1), Counter(Ops=1))
    facets.change([(before, after)])
    assert (facets.permissions, facets.departments) == (Counter(b_read=1, ALL=1), Counter(Dev=1))
    facets.change([(after, None)])
    assert (facets.permissions, facets.departments) == (Counter(), Counter())


def test_users_without_a_department_offer_none() -> None:
    facets = Facets()
    facets.change([(None, a_user(None)), (None, UserState(User("2", "wang")))])
    assert facets.departments == Counter()


def test_the_most_frequent_names_are_offered_in_order() -> None:
    many = Counter({f"d{number:04}": 1 for number in range(MOST)})
    assert Facets.names([Counter(b=2, a=2), Counter(c=5)]) == ("a", "b", "c")
    offered = Facets.names([Counter(z=9), many])
    assert (len(offered), offered[-1]) == (MOST, "z")
