from __future__ import annotations

from support.configuration import faults, with_organization

from exporter.config.schema import StaticUser
from exporter.config.user_files import joined
from exporter.model.user import Owner, User


def test_the_first_of_two_lists_wins() -> None:
    static = [StaticUser(id="1", name="boss")]
    listed = [User("1", "other"), User("2", "2"), User("2", "again")]
    assert joined(static, listed) == (User("1", "boss"), User("2", "2"))


def test_labels_of_an_entry_give_the_owner() -> None:
    labels = {"team": "x", "email": "li.wei@example.com", "department": ""}
    (user,) = joined([StaticUser(id="1", labels=labels)], ())
    assert user.owner == Owner(email="li.wei@example.com")
    (other,) = joined([StaticUser(id="1", labels={"team": "x"})], ())
    assert other.owner is None


def test_thresholds_of_a_user_are_checked_together_with_the_general_ones() -> None:
    text = with_organization("").replace("name: li.wei", "thresholds: {warning: 2d}")
    (fault,) = faults(text)
    assert fault == (
        "c.yaml:6: organizations[0].users.static[0].thresholds: user 3001: the critical threshold (3d) must be "
        "shorter than the warning threshold (2d); set both here; a threshold that is not set is that of "
        "alerting.thresholds"
    )
