from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from exporter.config.errors import ConfigError, Fault
from exporter.config.schema import StaticUser
from exporter.model.user import User
from exporter.polling.roster import Roster, watched_users

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.config.settings import OrganizationSettings


class FakeFiles:
    """User files whose content a test sets; None for files that cannot be read."""

    def __init__(self, *ids: str) -> None:
        self.version = 1
        self.ids: tuple[str, ...] | None = ids

    def set(self, ids: tuple[str, ...] | None) -> None:
        self.version += 1
        self.ids = ids

    def stamp(self) -> int:
        return self.version

    def read(self) -> tuple[User, ...]:
        if self.ids is None:
            raise ConfigError((Fault("users.yaml", 1, "", "is empty", "write []"),))
        return users("".join(self.ids))


class Scene:
    def __init__(self, static: str, files: FakeFiles, *, discovered: str = "", shard: str = "abcdefgh") -> None:
        self.lists: list[str] = []
        self.errors: list[str] = []
        self.broken = False
        self.files = files
        settings = self.settings(static, files)
        self.roster = Roster(settings, users(discovered), lambda user_id: user_id in shard, self, self)

    @staticmethod
    def settings(static: str, files: FakeFiles) -> OrganizationSettings:
        config = SimpleNamespace(name="acme", users=SimpleNamespace(static=[StaticUser(id=one) for one in static]))
        listed = users(static + "".join(files.ids or ()))
        return cast(
            "OrganizationSettings",
            SimpleNamespace(config=config, users=listed, user_files=files, users_stamp=files.stamp()),
        )

    def watch(self, watched: Iterable[User]) -> None:
        if self.broken:
            raise RuntimeError("defect")
        self.lists.append("".join(user.user_id for user in watched))

    def file_error(self, kind: str) -> None:
        self.errors.append(kind)

    def since(self) -> list[str]:
        lists, self.lists = self.lists, []
        return lists


def users(ids: str) -> tuple[User, ...]:
    return tuple(User(one, one) for one in ids)


def test_users_listed_by_hand_come_first_and_other_shards_are_left_out() -> None:
    listed, discovered = (User("a", "by hand"), User("b", "b")), (User("a", "found"), User("c", "c"), User("d", "d"))
    watched = watched_users(listed, discovered, lambda user_id: user_id != "c")
    assert [(user.user_id, user.name) for user in watched] == [("a", "by hand"), ("b", "b"), ("d", "d")]


def test_users_of_a_changed_file_that_are_known_stay_the_same_objects() -> None:
    scene = Scene("a", FakeFiles("b"))
    before = scene.roster.listed
    scene.files.set(("c", "b"))
    scene.roster.check_files()
    first, other, last = scene.roster.listed
    assert first is before[0]
    assert (other, last is before[1]) == (User("c", "c"), True)


def test_a_new_roster_decides_only_once_it_takes_over() -> None:
    scene = Scene("a", FakeFiles("b"), discovered="c")
    assert scene.since() == []
    scene.roster.take_over(users("d"))
    assert scene.since() == ["abd"]


def test_discovery_replaces_discovered_users_only() -> None:
    scene = Scene("a", FakeFiles("b"), discovered="cd")
    scene.roster.set_discovered(users("de"))
    assert scene.since() == ["abde"]


def test_a_reload_replaces_listed_users_only() -> None:
    scene = Scene("a", FakeFiles(), discovered="cd")
    scene.roster.configure(scene.settings("b", FakeFiles("e")))
    assert scene.since() == ["becd"]
    assert scene.roster.listed == users("be")


def test_user_files_are_read_again_when_they_have_changed() -> None:
    scene = Scene("a", FakeFiles("b"), discovered="c", shard="acef")
    assert scene.roster.check_files() is False
    scene.files.set(("e", "f"))
    assert scene.roster.check_files() is True
    assert scene.since() == ["aefc"]
    assert scene.roster.check_files() is False


def test_invalid_user_files_leave_the_last_list_in_effect_and_are_counted_once() -> None:
    scene = Scene("a", FakeFiles("b"))
    scene.files.set(None)
    assert [scene.roster.check_files(), scene.roster.check_files()] == [False, False]
    assert (scene.since(), scene.errors) == ([], ["users_file"])
    scene.roster.set_discovered(users("c"))
    assert scene.since() == ["abc"]


def test_discovered_users_that_could_not_be_handed_on_do_not_come_into_effect() -> None:
    scene = Scene("a", FakeFiles(), discovered="b")
    scene.broken = True
    with pytest.raises(RuntimeError):
        scene.roster.set_discovered(users("c"))
    scene.broken = False
    configured: Any = scene.settings("d", FakeFiles())
    scene.roster.configure(configured)
    assert scene.since() == ["db"]


def test_the_users_of_all_shards_are_shown_as_the_same_objects_until_they_change() -> None:
    scene = Scene("ab", FakeFiles("c"), discovered="xy", shard="ax")
    before = scene.roster.users
    assert ["".join(user.user_id for user in one) for one in before] == ["abc", "xy"]
    assert all(one is other for one, other in zip(before, scene.roster.users, strict=True))
    scene.roster.set_discovered(users("z"))
    assert scene.roster.users == (users("abc"), users("z"))
