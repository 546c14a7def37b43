from __future__ import annotations

from support.asgi import answering, call

from exporter.web.headers import DEFAULTS, SecurityHeaders, with_headers


def test_a_response_without_headers_gets_all_defaults() -> None:
    reply = call(SecurityHeaders(answering(404, b"no"), dict))
    assert reply.headers == {name.lower(): value for name, value in DEFAULTS.items()}
    assert reply.headers["content-security-policy"].startswith("default-src 'none'; ")
    assert (reply.status, reply.body) == (404, b"no")


def test_a_response_keeps_its_own_policy() -> None:
    app = answering(200, b"", (b"Content-Security-Policy", b"default-src 'self'"))
    reply = call(SecurityHeaders(app, dict))
    assert reply.headers["Content-Security-Policy"] == "default-src 'self'"
    assert "content-security-policy" not in reply.headers
    assert reply.headers["x-frame-options"] == "deny"


def test_configured_headers_replace_all_others_and_blank_ones_remove_them() -> None:
    configured = {
        "Content-Security-Policy": "default-src example.com",
        "X-Frame-Options": "",
        "Strict-Transport-Security": "max-age=9",
    }
    headers = with_headers(
        [(b"content-security-policy", b"mine"), (b"x-frame-options", b"deny"), (b"a", b"b")], configured
    )
    assert headers[:3] == [
        (b"a", b"b"),
        (b"content-security-policy", b"default-src example.com"),
        (b"strict-transport-security", b"max-age=9"),
    ]
    assert b"x-frame-options" not in dict(headers)
    assert dict(headers)[b"x-content-type-options"] == b"nosniff"


def test_a_change_of_the_configuration_counts_from_the_next_response() -> None:
    configured: dict[str, str] = {}
    app = SecurityHeaders(answering(200, b""), lambda: configured)
    assert call(app).headers["x-frame-options"] == "deny"
    configured["X-Frame-Options"] = "sameorigin"
    assert call(app).headers["x-frame-options"] == "sameorigin"
