"""What the pages of single users and tokens show. The pages themselves are tested in test_pages.py."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

from support.builders import DAY, NOW, a_key, a_token
from support.pages import AppWorld

from exporter.model.token import NEVER
from exporter.model.user import User
from exporter.texts.catalogue import Language
from exporter.web.reader import Reader
from exporter.web.subjects import Subjects
from exporter.web.urls import Urls
from exporter.web.views import Views


def subjects(world: AppWorld) -> Subjects:
    reader = Reader(Language.EN, {"acme": ZoneInfo("Asia/Shanghai")}, NOW)
    return Subjects(world.index, Views(reader, Urls("/users/acme/1"), world.config.alerting), reader)


def test_the_tokens_of_a_user_those_that_expire_next_first() -> None:
    world = AppWorld()
    expiries = [-2 * DAY, None, NEVER, -DAY, 2 * DAY, DAY]
    tokens = tuple(a_token(f"pt-{n}", expires_in=one) for n, one in enumerate(expiries))
    world.watch("acme", User("1", "li")).succeeded("1", tokens, NOW, (a_key(expires_in=3 * DAY),))
    world.index.prepare(NOW)
    found = subjects(world).user("acme", "1")
    assert found is not None
    assert [one.row.token_id for one in found.tokens] == ["pt-5", "pt-4", "501", "pt-2", "pt-1", "pt-3", "pt-0"]
    assert [one.policy.word for one in found.tokens[3].problems] == ["never_expires"]
    # Four tokens have not expired, and three are allowed.
    assert [one.policy.word for one in found.problems] == ["max_tokens_per_user"]


def test_most_tokens_of_a_user_with_many_are_shown() -> None:
    world = AppWorld()
    world.watch("acme", User("1", "li")).succeeded("1", tuple(a_token(f"pt-{n}") for n in range(230)), NOW)
    found = subjects(world).user("acme", "1")
    assert found is not None
    assert (len(found.tokens), found.more) == (200, 30)


def test_a_masked_id_may_belong_to_several_users() -> None:
    world = AppWorld()
    ledger = world.watch("acme", *(User(str(n), f"user{n}") for n in range(25)))
    for n in range(25):
        ledger.succeeded(str(n), (a_token("pt-****"), a_token(f"pt-{n}")), NOW)
    found = subjects(world).token("acme", "pt-****")
    assert len(found) == 20
    assert [[one.row.token_id for one in subject.tokens] for subject in found] == [["pt-****"]] * 20
    assert subjects(world).token("globex", "pt-****") == ()


def test_a_far_expiry_that_counts_as_never_is_named() -> None:
    world = AppWorld()
    far = replace(a_token(expires_in=NEVER), listed_expiry=NOW + 40_000 * DAY)
    world.watch("acme", User("1", "li")).succeeded("1", (far,), NOW)
    (found,) = subjects(world).token("acme", "pt-aaaa")
    # 40,000 days after the 20,605 of NOW it is 2135-12-07.
    assert found.tokens[0].listed == "2135-12-07 08:00 Asia/Shanghai (2135-12-07 00:00 UTC)"
