"""What the client makes of every envelope, status and header that has been seen of the platform and of gateways."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import responses
from support.builders import Counts, LeapingStop, ManualClock, a_watchdog

from exporter.common.redaction import Redactor
from exporter.common.secrets import Secret, SecretValue
from exporter.model.state import Reason
from exporter.platform.base import ApiError, Operation, Refusal
from exporter.platform.limits import RequestLimits
from exporter.platform.pacing import Pacer
from exporter.platform.yunxiao.client import Target, YunxiaoClient
from exporter.platform.yunxiao.error_body import RefusedError, fields_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from requests import PreparedRequest

    from exporter.common.secrets import SecretSource
    from exporter.model.token import Token

ENDPOINT = "http://platform.invalid"
TOKENS = f"{ENDPOINT}/oapi/v1/platform/users/admin/personalAccessTokens"
MEMBERS = "platform/organizations/o1/members"
SECRET = "0123456789abcdef0123"
MIB = 1024 * 1024


@dataclass
class Bench:
    """A client without sockets: `responses` answers in place of the network."""

    platform: responses.RequestsMock
    source: SecretSource = field(default_factory=lambda: SecretValue(Secret(f"pt-admin_{SECRET}")))
    clock: ManualClock = field(default_factory=ManualClock)
    counts: Counts = field(default_factory=Counts)
    asked_at: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        redactor = Redactor()
        redactor.add(f"pt-admin_{SECRET}")
        self.stop = LeapingStop(self.clock)
        self.client = YunxiaoClient(
            Target(ENDPOINT, ZoneInfo("Asia/Shanghai"), timeout=10.0, concurrency=2, max_retry_after=300.0),
            self.source,
            RequestLimits(Pacer(None, self.clock), 2),
            self.counts,
            a_watchdog(self.clock),
            self.clock,
            redact=redactor.clean,
        )

    def answer(
        self, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None, url: str = TOKENS
    ) -> None:
        """Let the platform answer like this from now on."""
        content_type = (headers or {}).get("Content-Type", "application/json")
        others = {name: value for name, value in (headers or {}).items() if name != "Content-Type"}

        def reply(_: PreparedRequest) -> tuple[int, Mapping[str, str], bytes]:
            self.asked_at.append(self.clock.monotonic())
            return status, others, body

        self.platform.add_callback(responses.GET, url, reply, content_type=content_type)

    def tokens(self) -> tuple[Token, ...]:
        return self.client.list_tokens("u1", self.stop).tokens

    def failure(self) -> ApiError:
        with pytest.raises(ApiError) as caught:
            self.tokens()
        assert SECRET not in str(caught.value)
        return caught.value


@pytest.fixture
def bench() -> Iterator[Bench]:
    with responses.RequestsMock() as platform:
        yield Bench(platform)


def entry(number: int = 1, name: str = "流水线") -> dict[str, Any]:
    return {"token_id": f"pt-{number}", "name": name, "permissions": ["base_user_read"], "user_id": "u1"}


def encoded(value: Any, encoding: str = "utf-8") -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(encoding)


def test_a_request_is_the_documented_one_to_the_letter(bench: Bench) -> None:
    bench.answer(b"[]")
    assert bench.tokens() == ()
    (sent,) = [call.request for call in bench.platform.calls]
    assert sent.url == f"{TOKENS}?userId=u1"
    assert sent.headers["Content-Type"] == "application/json"
    assert sent.headers["Accept"] == "application/json"
    assert sent.headers["x-yunxiao-token"] == f"pt-admin_{SECRET}"


LISTS: dict[str, Any] = {
    "bare": lambda listed: listed,
    "data": lambda listed: {"data": listed},
    "data of a success": lambda listed: {"success": True, "data": listed},
    "the older envelope": lambda listed: {"result": listed, "success": True},
    "capitals": lambda listed: {"RequestId": "r-1", "Success": True, "Data": listed},
    "a success with an error code": lambda listed: {"success": True, "errorCode": "X", "data": listed},
    "success as a word": lambda listed: {"success": "true", "errorCode": "X", "data": listed},
    "success as a number": lambda listed: {"success": 1, "code": "X", "data": listed},
    "codes of success": lambda listed: {"code": 200, "errorCode": "0", "message": "OK", "data": listed},
    "code of zeros": lambda listed: {"code": "00000", "status": 200, "msg": "success", "result": listed},
    "null codes": lambda listed: {"errorCode": None, "errorMessage": "", "error": None, "data": listed, "result": None},
    "a page": lambda listed: {"data": listed, "total": 1, "page": 1, "requestId": "r-1"},
}


@pytest.mark.parametrize("envelope", LISTS.values(), ids=LISTS)
@pytest.mark.parametrize("count", [0, 1, 2000])
def test_every_envelope_of_a_list_is_read_small_and_large(bench: Bench, envelope: Any, count: int) -> None:
    bench.answer(encoded(envelope([entry(number) for number in range(count)])))
    assert [token.token_id for token in bench.tokens()] == [f"pt-{number}" for number in range(count)]
    assert bench.counts.seen == [("request", "list_tokens", "200")]


ERRORS_UNDER_200: list[tuple[dict[str, Any], Reason, str]] = [
    (
        {"code": "Forbidden", "message": "Current token has no permission to api.", "data": []},
        Reason.FORBIDDEN,
        "the error Forbidden although the HTTP status is 200: Current token has no permission to api; "
        "the exporter's token lacks the permission base_user_read "
        "(Organization Management / User / Read-only, 组织管理 / 用户 / 只读)",
    ),
    ({"errorMessage": "no such user", "data": []}, Reason.INVALID_RESPONSE, "an error without a code although"),
    ({"errorMessage": "no such user", "data": []}, Reason.INVALID_RESPONSE, "200: no such user"),
    ({"errorDescription": "no such user", "data": []}, Reason.INVALID_RESPONSE, "200: no such user"),
    ({"message": "no such user", "data": []}, Reason.INVALID_RESPONSE, "200: no such user"),
    ({"message": "no such user"}, Reason.INVALID_RESPONSE, "200: no such user"),
    ({"errorCode": 401, "data": []}, Reason.UNAUTHORIZED, "the error 401"),
    ({"errorCode": 401.0, "data": []}, Reason.UNAUTHORIZED, "the error 401"),
    ({"errorCode": "429", "data": []}, Reason.RATE_LIMITED, "the error 429"),
    ({"errorCode": 7, "data": []}, Reason.INVALID_RESPONSE, "the error 7"),
    ({"errorCode": "InvalidTokenError", "data": []}, Reason.UNAUTHORIZED, "the error InvalidTokenError"),
    ({"errorCode": "ExpiredTokenError"}, Reason.UNAUTHORIZED, "the error ExpiredTokenError"),
    ({"errorCode": "InvalidAccessToken"}, Reason.UNAUTHORIZED, "the error InvalidAccessToken"),
    ({"errorCode": "Unauthorized", "traceId": "t-1"}, Reason.UNAUTHORIZED, "the error Unauthorized (request t-1)"),
    (
        {"Code": "Forbidden", "Message": "no", "RequestId": "r-1", "Data": []},
        Reason.FORBIDDEN,
        "the error Forbidden (request r-1) although the HTTP status is 200: no",
    ),
    ({"error_code": "TooManyRequests", "data": []}, Reason.RATE_LIMITED, "the error TooManyRequests"),
    ({"success": "false", "data": []}, Reason.INVALID_RESPONSE, "an error without a code"),
    ({"success": "False", "data": []}, Reason.INVALID_RESPONSE, "an error without a code"),
    ({"success": 0, "data": []}, Reason.INVALID_RESPONSE, "an error without a code"),
    ({"success": False, "code": 200, "data": []}, Reason.INVALID_RESPONSE, "an error without a code"),
    ({"success": False, "errorCode": "NotFound", "result": []}, Reason.NOT_FOUND, "the error NotFound"),
    ({"status": 401, "error": "Unauthorized"}, Reason.UNAUTHORIZED, "the error Unauthorized"),
    ({"status": 401, "error": "Unauthorized", "data": []}, Reason.UNAUTHORIZED, "the error Unauthorized"),
    ({"status": 403, "data": []}, Reason.FORBIDDEN, "the error 403 although"),
    ({"status": "error", "data": []}, Reason.INVALID_RESPONSE, "the error error"),
    ({"status": False, "data": []}, Reason.INVALID_RESPONSE, "an error without a code"),
    ({"status": -1, "data": []}, Reason.INVALID_RESPONSE, "the error -1"),
    ({"status": "-1", "data": []}, Reason.INVALID_RESPONSE, "the error -1"),
    ({"successful": False, "data": []}, Reason.INVALID_RESPONSE, "an error without a code"),
    ({"isSuccess": "false", "code": 200, "data": []}, Reason.INVALID_RESPONSE, "an error without a code"),
    ({"ok": 0, "result": []}, Reason.INVALID_RESPONSE, "an error without a code"),
    ({"status": 500, "error": "Internal Server Error"}, Reason.SERVER_ERROR, "the error InternalServerError"),
    ({"statusCode": 404, "data": []}, Reason.NOT_FOUND, "the error 404"),
    ({"error": {"code": "Forbidden", "message": "no"}, "data": []}, Reason.FORBIDDEN, "the error Forbidden"),
    ({"error": True, "data": []}, Reason.INVALID_RESPONSE, "an error without a code"),
    ({"errors": [{"message": "no"}], "data": []}, Reason.INVALID_RESPONSE, "an error without a code"),
    ({"code": "BadRequest", "data": []}, Reason.BAD_REQUEST, "asked for user id u1"),
    ({"code": "UnsupportedInCurrentEnv", "data": []}, Reason.UNSUPPORTED, "the error UnsupportedInCurrentEnv"),
    ({"code": "Throttling.User", "data": []}, Reason.RATE_LIMITED, "the error Throttling.User"),
    ({"code": "Busy", "data": [entry()]}, Reason.INVALID_RESPONSE, "the error Busy"),
]


@pytest.mark.parametrize(("body", "reason", "words"), ERRORS_UNDER_200)
@pytest.mark.parametrize("size", [0, 100_000])
def test_an_error_under_200_is_never_an_empty_list(
    bench: Bench, body: dict[str, Any], reason: Reason, words: str, size: int
) -> None:
    # Small and large answers are read in different ways.
    bench.answer(encoded(body | {"more": "x" * size}))
    error = bench.failure()
    assert (error.reason, error.status) == (reason, 200)
    assert words in error.detail
    # The token list, its request and each retry are counted with the HTTP status that came.
    assert set(bench.counts.of("request")) == {("request", "list_tokens", "200")}
    assert set(bench.counts.of("error")) == {("error", reason.value)}


STATUSES: list[tuple[int, dict[str, Any], Reason, str]] = [
    (
        400,
        {"errorCode": "BadRequest", "errorMessage": "invalid id", "requestId": "r-1"},
        Reason.BAD_REQUEST,
        "HTTP 400 BadRequest (request r-1): invalid id; asked for user id u1",
    ),
    (400, {}, Reason.BAD_REQUEST, "HTTP 400; asked for user id u1"),
    (400, {"errorCode": "UnsupportedInCurrentEnv"}, Reason.UNSUPPORTED, "HTTP 400 UnsupportedInCurrentEnv"),
    (403, {"errorCode": "UnsupportedInCurrentEnv"}, Reason.UNSUPPORTED, "HTTP 403 UnsupportedInCurrentEnv"),
    (400, {"code": "UnsupportedCurrentTokenType"}, Reason.UNSUPPORTED, "HTTP 400 UnsupportedCurrentTokenType"),
    (403, {"code": "UnsupportedCurrentTokenType"}, Reason.UNSUPPORTED, "HTTP 403 UnsupportedCurrentTokenType"),
    (405, {}, Reason.UNSUPPORTED, "HTTP 405"),
    (410, {}, Reason.UNSUPPORTED, "HTTP 410"),
    (501, {}, Reason.UNSUPPORTED, "HTTP 501"),
    (401, {"errorCode": "UnsupportedInCurrentEnv"}, Reason.UNAUTHORIZED, "HTTP 401 UnsupportedInCurrentEnv"),
    (401, {"status": 401, "error": "Unauthorized"}, Reason.UNAUTHORIZED, "HTTP 401 Unauthorized"),
    (401, {"errorCode": 401, "message": "expired."}, Reason.UNAUTHORIZED, "HTTP 401 401: expired"),
    (
        403,
        {"errorCode": "Forbidden", "errorMessage": "Current token has no permission to api."},
        Reason.FORBIDDEN,
        "HTTP 403 Forbidden: Current token has no permission to api; "
        "the exporter's token lacks the permission base_user_read "
        "(Organization Management / User / Read-only, 组织管理 / 用户 / 只读)",
    ),
    (
        403,
        {"errorCode": "Forbidden.InvalidUser.UserNotInCurrentOrganization"},
        Reason.FORBIDDEN,
        "HTTP 403 Forbidden.InvalidUser.UserNotInCurrentOrganization; "
        "the user is outside the organization, or the owner of the exporter's token is not an administrator",
    ),
    (
        403,
        {"Code": "Forbidden.InvalidOrganizationMember", "Message": "Current token has no permission to api."},
        Reason.FORBIDDEN,
        "HTTP 403 Forbidden.InvalidOrganizationMember: Current token has no permission to api; "
        "the user is outside the organization, or the owner of the exporter's token is not an administrator",
    ),
    (
        403,
        {"errorCode": "Forbidden", "errorMessage": "没有权限。"},
        Reason.FORBIDDEN,
        "HTTP 403 Forbidden: 没有权限; "
        "the call needs the permission base_user_read "
        "(Organization Management / User / Read-only, 组织管理 / 用户 / 只读)",
    ),
    (404, {"errorCode": "NotFound", "traceId": "t-1"}, Reason.NOT_FOUND, "HTTP 404 NotFound (request t-1)"),
    (
        500,
        {"errorCode": "InternalServerError", "errorDescription": "boom", "traceId": "t-1"},
        Reason.SERVER_ERROR,
        "HTTP 500 InternalServerError (request t-1): boom",
    ),
    (204, {}, Reason.INVALID_RESPONSE, "HTTP 204"),
]


@pytest.mark.parametrize(("status", "body", "reason", "detail"), STATUSES)
@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
def test_an_error_status_has_its_reason_and_words_in_any_encoding(
    bench: Bench, status: int, body: dict[str, Any], reason: Reason, detail: str, encoding: str
) -> None:
    bench.answer(encoded(body, encoding), status)
    error = bench.failure()
    assert (error.reason, error.status, error.detail) == (reason, status, detail)


@pytest.mark.parametrize(
    ("operation", "path", "query", "words"),
    [
        (Operation.LIST_USERS, "platform/users", {"page": "101"}, "asked for page 101 of platform/users"),
        (Operation.LIST_MEMBERS, MEMBERS, {"page": "2"}, f"asked for page 2 of {MEMBERS}"),
        (
            Operation.LIST_DEPARTMENTS,
            "platform/departments",
            {"page": "1", "parentId": "d\n1"},
            "asked for page 1 of platform/departments below department d\ufffd1",
        ),
        (Operation.GET_CALLER, "platform/user", {}, "asked for platform/user"),
    ],
)
def test_a_bad_request_names_what_was_asked_for(
    bench: Bench, operation: Operation, path: str, query: dict[str, str], words: str
) -> None:
    bench.answer(b"", 400, url=f"{ENDPOINT}/oapi/v1/{path}")
    with pytest.raises(ApiError) as caught:
        bench.client.page(operation, path, query, bench.stop)
    assert (caught.value.reason, caught.value.detail) == (Reason.BAD_REQUEST, f"HTTP 400; {words}")


def test_a_missing_permission_is_named_for_each_call(bench: Bench) -> None:
    bench.answer(encoded({"errorCode": "Forbidden"}), 403, url=f"{ENDPOINT}/oapi/v1/{MEMBERS}")
    with pytest.raises(ApiError, match=r"the call needs the permission base_orgmember_read \(Organization members"):
        bench.client.page(Operation.LIST_MEMBERS, MEMBERS, {}, bench.stop)


def test_a_message_is_shown_on_one_line_shortened_and_without_the_token(bench: Bench) -> None:
    message = f"bad token pt-admin_{SECRET}\r\n\x1b[31m" + "很长" * 200
    bench.answer(encoded({"errorCode": "Unauthorized", "errorMessage": message}), 401)
    detail = bench.failure().detail
    assert detail.startswith("HTTP 401 Unauthorized: bad token pt-admin_[redacted]")
    assert detail.isprintable()
    assert len(detail) == len("HTTP 401 Unauthorized: ") + 160
    assert detail.endswith("长…")


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        ("application/json", "utf-8"),
        ("application/json", "gbk"),
        ("application/json", "gb18030"),
        ("application/json;charset=UTF-8", "gb18030"),
        ("application/json; charset=GBK", "gbk"),
        ('application/json; charset="gb2312"', "gb2312"),
        ("application/json; charset=GB18030", "gb18030"),
        ("application/json; charset=GBK", "utf-8"),
        ("text/html; charset=iso-8859-1", "gbk"),
        ("", "gbk"),
    ],
)
@pytest.mark.parametrize("count", [1, 2000])
def test_names_in_chinese_encodings_are_readable(bench: Bench, content_type: str, encoding: str, count: int) -> None:
    listed = [entry(number, name="李伟的令牌") for number in range(count)]
    bench.answer(encoded(listed, encoding), headers={"Content-Type": content_type})
    assert [token.name for token in bench.tokens()] == ["李伟的令牌"] * count
    assert bench.counts.of("parse_errors") == []


@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
def test_bytes_that_are_valid_in_no_encoding_are_replaced_and_counted(bench: Bench, encoding: str) -> None:
    body = encoded([entry(1, name="李伟的令牌"), entry(2, name="x?y")], encoding)
    bench.answer(body.replace(b"x?y", b"x\xff\xffy"))
    first, second = bench.tokens()
    assert (first.name, second.name) == ("李伟的令牌", "x\ufffd\ufffdy")
    assert bench.counts.of("parse_errors") == [("parse_errors", "encoding", 1)]


def test_an_answer_that_grows_too_large_when_it_is_converted_is_refused(bench: Bench) -> None:
    # 3 bytes in UTF-8 for every 2 in GBK.
    bench.answer(encoded([entry(name="令" * (4 * MIB - 1000))], "gbk"))
    error = bench.failure()
    assert (error.reason, error.detail) == (Reason.INVALID_RESPONSE, "the answer is larger than 8 MiB")


@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
def test_the_pause_of_a_429_is_kept_in_any_encoding(bench: Bench, encoding: str) -> None:
    body = encoded({"errorCode": "TooManyRequests", "errorMessage": "请求过于频繁"}, encoding)
    bench.answer(body, 429, {"Retry-After": "30"})
    error = bench.failure()
    assert (error.reason, error.retry_after) == (Reason.RATE_LIMITED, 30.0)
    first, *others = bench.asked_at
    assert len([at for at in bench.asked_at if at < first + 10]) == 1
    assert all(later - earlier >= 30 for earlier, later in zip(bench.asked_at, others, strict=False))


def test_a_429_under_200_slows_requests_down_too(bench: Bench) -> None:
    bench.answer(encoded({"code": "TooManyRequests", "data": []}), headers={"Retry-After": "30"})
    assert bench.failure().retry_after == 30.0
    assert bench.asked_at[1] - bench.asked_at[0] >= 30


class Tokens:
    """A file with the current token and its successor."""

    def __init__(self) -> None:
        self.used = Secret(f"pt-old_{SECRET}")
        self.next = Secret(f"pt-new_{SECRET}")

    @property
    def origin(self) -> str:
        return "a test"

    @property
    def problem(self) -> str | None:
        return None

    def current(self) -> Secret:
        return self.used

    def successor(self, refused: Any) -> Secret | None:
        return None if self.next in refused else self.next

    def use(self, token: Secret) -> None:
        self.used = token


REFUSALS = {
    "gbk": (encoded({"errorCode": "Unauthorized", "errorMessage": "令牌无效"}, "gbk"), 401),
    "under 200": (encoded({"code": "InvalidTokenError", "data": []}), 200),
    "spring": (encoded({"status": 401, "error": "Unauthorized"}), 200),
}


@pytest.mark.parametrize(("body", "status"), REFUSALS.values(), ids=REFUSALS)
def test_the_next_token_is_tried_however_the_refusal_is_written(body: bytes, status: int) -> None:
    with responses.RequestsMock() as platform:
        bench = Bench(platform, source=Tokens())

        def reply(request: PreparedRequest) -> tuple[int, Mapping[str, str], bytes]:
            old = request.headers["x-yunxiao-token"] == f"pt-old_{SECRET}"
            return (status, {}, body) if old else (200, {}, encoded([entry()]))

        platform.add_callback(responses.GET, TOKENS, reply)
        assert [token.token_id for token in bench.tokens()] == ["pt-1"]
        assert bench.source.current() == Secret(f"pt-new_{SECRET}")


CALLER = f"{ENDPOINT}/oapi/v1/platform/user"
OLDER_CALLER = f"{ENDPOINT}/oapi/v1/platform/users:me"
PERSON = {"id": "u9", "name": "李伟", "username": "li.wei", "status": "enabled", "code": "E-7"}


@pytest.mark.parametrize(
    "body", [PERSON, {"data": PERSON, "success": True}, {"result": PERSON, "success": True}, {"Data": PERSON}]
)
def test_the_caller_is_read_from_every_envelope(bench: Bench, body: dict[str, Any]) -> None:
    bench.answer(encoded(body, "gbk"), url=CALLER)
    assert bench.client.caller(bench.stop).name == "李伟"


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"<html>login</html>", 200), (b"", 404), (b"", 405), (b"", 400), (b'{"errorCode": "NotFound"}', 200)],
)
def test_installations_that_know_only_the_older_call_are_asked_with_it(bench: Bench, body: bytes, status: int) -> None:
    bench.answer(body, status, url=CALLER)
    bench.answer(encoded(PERSON), url=OLDER_CALLER)
    assert bench.client.caller(bench.stop).user_id == "u9"


@pytest.mark.parametrize(("status", "reason"), [(401, Reason.UNAUTHORIZED), (403, Reason.FORBIDDEN)])
def test_a_refused_caller_is_not_asked_for_in_the_older_way(bench: Bench, status: int, reason: Reason) -> None:
    bench.answer(b"{}", status, url=CALLER)
    with pytest.raises(ApiError) as caught:
        bench.client.caller(bench.stop)
    assert caught.value.reason is reason
    # A 401 is confirmed by the same call.
    assert [call.request.url for call in bench.platform.calls] == [f"{CALLER}?"] * (3 if status == 401 else 1)


def test_a_large_error_with_a_lone_surrogate_is_no_list(bench: Bench) -> None:
    listed = ",".join(['{"token_id": "pt-1", "name": "\\ud800"}'] * 5000)
    bench.answer(f'{{"code": "Forbidden", "Data": [{listed}]}}'.encode())
    assert bench.failure().reason is Reason.FORBIDDEN
    assert bench.counts.of("error") == [("error", "forbidden")]


def test_a_refusal_that_only_the_parser_finds_costs_this_call_alone(bench: Bench) -> None:
    def parse() -> None:
        raise RefusedError(fields_of({"errorCode": "InvalidTokenError"}))

    with pytest.raises(ApiError) as caught:
        bench.client.read(parse)
    assert (caught.value.reason, caught.value.refusal) == (Reason.UNAUTHORIZED, Refusal.CALL)
