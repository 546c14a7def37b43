"""The addresses of runbooks and pages."""

from __future__ import annotations

from exporter.alerts.definitions import Page
from exporter.alerts.links import Links
from exporter.config.alerting import RUNBOOKS, Alerting
from exporter.texts.catalogue import Language


def test_a_configured_folder_of_runbooks_comes_before_all_others() -> None:
    links = Links.of(Alerting(runbook_base_url="https://wiki/r/"), "https://x")
    assert links.runbook("A") == "https://wiki/r/A.md"


def test_the_exporter_serves_the_runbooks_if_people_can_open_it() -> None:
    assert Links("https://x/p", language=Language.ZH).runbook("A") == "https://x/p/runbooks/A"


def test_else_they_are_the_published_ones_in_the_language() -> None:
    assert Links().runbook("A") == f"{RUNBOOKS}/A.md"
    assert Links(language=Language.ZH).runbook("A") == f"{RUNBOOKS}/zh/A.md"


def test_names_are_quoted_as_parts_of_a_path() -> None:
    links = Links("https://x")
    assert links.page("a/b c", token_id="pt-*?") == "https://x/tokens/a%2Fb%20c/pt-%2A%3F"
    assert links.page("\u4e91", user_id="1") == "https://x/users/%E4%BA%91/1"
    assert links.page("acme", user_id="1", token_id="2") == "https://x/tokens/acme/2"
    assert links.page("acme") == links.page() == "https://x/"
    assert Links().page("acme", user_id="1") == ""


def test_names_are_quoted_as_values_of_a_query() -> None:
    links = Links("https://x")
    assert links.page("R&D / \u4e91+=#~", page=Page.VIOLATIONS, policy="max_age") == (
        "https://x/violations?organization=R%26D%20%2F%20%E4%BA%91%2B%3D%23~&policy=max_age"
    )
    assert links.page("acme", page=Page.FAILING_USERS) == "https://x/users?organization=acme&status=failing"
    assert links.page("R&D", page=Page.EXPIRED) == "https://x/tokens?organization=R%26D&state=expired"
    assert Links().page("acme", page=Page.FAILING_USERS) == ""
