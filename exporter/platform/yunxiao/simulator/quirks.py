"""Oddities of the simulated platform's answers, as seen on real ones, or as gateways in between cause them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any


def _number() -> Any:
    return field(default=None, metadata={"takes": "NUMBER"})


def _choice(first: str, *others: str) -> Any:
    return field(default=first, metadata={"takes": "|".join((first, *others))})


@dataclass(frozen=True, slots=True)
class Quirks:
    """Oddities of answers. The defaults are what the platform's documentation says.

    Attributes:
        wrong_next_page: `x-next-page` says 1 on every page.
        no_page_headers: there are no headers about pages.
        link_headers: the only header about pages is `Link: <...>; rel="next"`.
        ignored_page: every page is page 1.
        empty_page: the number of a page that comes empty.
        failing_page: the number of a page that answers 500.
        capped_page: entries of a page at most, and no headers about pages.
        most_entries: pages that end beyond this many entries are refused with 400 `BadRequest`.
        shifting: after this page of a list of people, the first person leaves, and in the next list joins again.
        nobody: all lists are empty.
        null_names: people have no names.
        member_status: what members of an organization have as status: that of the person, whether they have used the
            platform (`NORMAL_USING` or `UNVISITED`), or that they are not deleted (`UNDELETED`).
        older_caller: only `/platform/users:me` returns the caller.
        envelope: what an answer is wrapped in: nothing, `data`, `result` as in the older API, or the same with
            `success: true` beside an error code, as in older samples.
        masked_ids: token ids come with `****` in their middle.
        user_ids: what the entries of a token list have as user id: that of the user, the same with `****`, one of
            another form, or none.
        unreadable_ids: every so many entries of a token list lack their id; 1 for all.
        ignored_user_id: the tokens of the caller are returned for every user.
        wrong_owner: the tokens of the first user are returned for every user.
        unknown_user: the answer to the call for the tokens of a user that does not exist.
        both_levels: a token that grants `X_read_write` lists `X_read` too.
        dates: the form of dates.
        never: what stands for "never" in `expired_at`.
        gbk: bodies are encoded as GBK, and `Content-Type` says so.
        gbk_unlabelled: bodies are encoded as GBK, and `Content-Type` says nothing.
        early_hints: each answer comes after an informational one with status 103.
        many_headers: each answer has this many headers more.
        revoke: the administrator's token is refused after this many requests.
        login_redirect: where a token is refused, the answer is a redirect to a login page instead of 401.
        html_for_unknown: unknown paths are answered by an HTML page with status 200 instead of 404.
        ssh_keys: the answer to the call for SSH keys: keys, none, or an error.
    """

    wrong_next_page: bool = False
    no_page_headers: bool = False
    link_headers: bool = False
    ignored_page: bool = False
    empty_page: int | None = _number()
    failing_page: int | None = _number()
    capped_page: int | None = _number()
    most_entries: int | None = _number()
    shifting: int | None = _number()
    nobody: bool = False
    null_names: bool = False
    member_status: str = _choice("own", "normal_using", "undeleted")
    older_caller: bool = False
    envelope: str = _choice("none", "data", "result", "result_with_code")
    masked_ids: bool = False
    user_ids: str = _choice("plain", "masked", "foreign", "absent")
    unreadable_ids: int | None = _number()
    ignored_user_id: bool = False
    wrong_owner: bool = False
    unknown_user: str = _choice("404", "400", "empty")
    both_levels: bool = False
    dates: str = _choice(
        "documented",
        "microseconds",
        "nanoseconds",
        "compact",
        "no_zone",
        "offset",
        "epoch_milliseconds",
        "epoch_microseconds",
        "epoch_text",
    )
    never: str = _choice("null", "absent", "empty", "zero_date", "zero", "year_1", "epoch", "decades", "word")
    gbk: bool = False
    gbk_unlabelled: bool = False
    early_hints: bool = False
    many_headers: int | None = _number()
    revoke: int | None = _number()
    login_redirect: bool = False
    html_for_unknown: bool = False
    ssh_keys: str = _choice("on", "off", "403", "404", "unsupported")

    def with_one(self, text: str) -> Quirks:
        """Add one, given as its name or, if it takes a value, as ``name=value``.

        Raises:
            ValueError: the quirk is unknown, or its value is missing or not one that it takes.
        """
        name, has_value, value = text.partition("=")
        known = {one.name: str(one.metadata.get("takes", "")) for one in fields(self)}
        takes = known.get(name)
        if takes is None:
            raise ValueError(f"unknown quirk {text!r}; use one of {', '.join(usage())}")
        change: dict[str, Any]
        if not takes and not has_value:
            change = {name: True}
        elif takes == "NUMBER" and value.isdecimal() and value.isascii() and int(value):
            change = {name: int(value)}
        elif takes not in {"", "NUMBER"} and value in takes.split("|"):
            change = {name: value}
        else:
            raise ValueError(f"quirk {text!r} has no valid value; write {name}{takes and '=' + takes}")
        return replace(self, **change)


def usage() -> list[str]:
    """How to write each quirk."""
    return [f"{one.name}={takes}" if (takes := one.metadata.get("takes")) else one.name for one in fields(Quirks)]
