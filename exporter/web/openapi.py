"""The description of the API (OpenAPI 3.1), made from the same tables as the API itself."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from exporter import __version__
from exporter.model.event import Change
from exporter.model.severity import Severity
from exporter.model.state import Reason
from exporter.model.token import CredentialKind, TokenState
from exporter.policies.builtin import POLICIES
from exporter.state.criteria import PollStatus
from exporter.web import cursors, parameters
from exporter.web.parameters import MOST_ROWS, Form
from exporter.web.urgency import Urgency

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from exporter.web.parameters import Parameter

Schema = dict[str, Any]
_LONGEST = 200
_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "integer", "minimum": 0}
_FLAG: Schema = {"type": "boolean"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_TIME: Schema = {"type": "string", "format": "date-time"}
_POLICIES: Schema = {"type": "array", "items": {"enum": [policy.name for policy in POLICIES]}}


def _enum(values: Iterable[str]) -> Schema:
    return {"type": "string", "enum": [str(one) for one in values]}


def _maybe(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(properties: Mapping[str, Schema], optional: Sequence[str] = ()) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": dict(properties), "required": required}


def _counts(names: Iterable[str]) -> Schema:
    return _object({str(name): _NUMBER for name in names})


_OWNER = {"owner_email": _maybe(_TEXT), "owner_username": _maybe(_TEXT), "owner_department": _maybe(_TEXT)}
_WHOSE = {"organization": _TEXT, "user_id": _TEXT, "user": _TEXT}
_ADDED = ("urgency", *_OWNER, "policies")
"""Keys that only a request with parameters adds."""
_DETAILS = ("old_name", "description", "added", "removed", "old_expiry", "new_expiry")
"""Keys of an event that are there if they have a value."""
_SCHEMAS: dict[str, Schema] = {
    "Token": _object(
        {
            **_WHOSE,
            "token_id": _TEXT,
            "token": _TEXT,
            "state": _enum(TokenState),
            "expires_at": _maybe(_TIME),
            "expires_in_seconds": _maybe({"type": "integer"}),
            "created_at": _maybe(_TIME),
            "permissions": _TEXTS,
            "description": _TEXT,
            "kind": _enum(CredentialKind),
            "last_used_at": _maybe(_TIME),
            "listed_expires_at": _maybe(_TIME),
            "urgency": _enum(Urgency),
            **_OWNER,
            "policies": _POLICIES,
        },
        _ADDED,
    ),
    "Violation": _object(
        {
            **_WHOSE,
            **_OWNER,
            "token_id": _maybe(_TEXT),
            "token": _maybe(_TEXT),
            "state": _maybe(_enum(TokenState)),
            "created_at": _maybe(_TIME),
            "expires_at": _maybe(_TIME),
            "violations": {
                "type": "array",
                "minItems": 1,
                "items": _object(
                    {
                        "policy": _enum(policy.name for policy in POLICIES),
                        "severity": _enum(Severity),
                        "problem": _TEXT,
                        "since": _maybe(_TIME),
                    }
                ),
            },
        }
    ),
    "User": _object(
        {
            **_WHOSE,
            **_OWNER,
            "labels": {"type": "object", "additionalProperties": _TEXT},
            "status": _enum(PollStatus),
            "reason": _maybe(_enum(Reason)),
            "detail": _maybe(_TEXT),
            "failing_since": _maybe(_TIME),
            "last_success": _maybe(_TIME),
            "tokens": _counts(TokenState),
            "ssh_keys": _maybe(_NUMBER),
            "next_expiry": _maybe(_TIME),
            "policies": _POLICIES,
        }
    ),
    "Event": _object(
        {
            "time": _TIME,
            "organization": _TEXT,
            "event": _enum(Change),
            "user_id": _TEXT,
            "user": _TEXT,
            "token_id": _TEXT,
            "token": _TEXT,
            "kind": _enum(CredentialKind),
            "old_name": _TEXT,
            "description": _TEXT,
            "added": _TEXTS,
            "removed": _TEXTS,
            "old_expiry": _TEXT,
            "new_expiry": _TEXT,
        },
        _DETAILS,
    ),
    "Organization": _object(
        {
            "organization": _TEXT,
            "ready": _FLAG,
            "unreadable": _FLAG,
            "unreadable_since": _maybe(_TIME),
            "unreadable_reason": _maybe(_enum(Reason)),
            "users": _NUMBER,
            "users_pending": _NUMBER,
            "users_failing": _NUMBER,
            "users_stale": _NUMBER,
            "tokens": _counts(TokenState),
            "expiring_within_days": {"type": "object", "additionalProperties": _NUMBER},
            "violations": {"type": "object", "additionalProperties": _NUMBER},
            "violations_complete": _FLAG,
            "last_sweep": _maybe(
                _object({"result": _TEXT, "completed_at": _maybe(_TIME), "duration_seconds": {"type": "number"}})
            ),
            "next_sweep": _maybe(_TIME),
            "exporter_token_expires_at": _maybe(_TIME),
            "exporter_token_never_expires": _FLAG,
        }
    ),
    "Status": _object(
        {
            "version": _TEXT,
            "time": _TIME,
            "ready": _FLAG,
            "healthy": _FLAG,
            "problems": _TEXTS,
            "organizations": _NUMBER,
            "organizations_unreadable": _NUMBER,
            "users": _NUMBER,
            "users_failing": _NUMBER,
            "tokens": _counts(TokenState),
            "expiring_within_days": {"type": "object", "additionalProperties": _NUMBER},
            "violations": {"type": "object", "additionalProperties": _NUMBER},
            "violations_complete": _FLAG,
        }
    ),
    "Problem": _object({"title": _TEXT, "status": _NUMBER, "detail": _TEXT}),
}


def _parameter(one: Parameter) -> Schema:
    schema: Schema = {"type": "string", "maxLength": _LONGEST}
    if one.choices:
        # Forms send empty values, which count as absent.
        schema = _enum((*one.choices, ""))
    elif one.form is Form.NUMBER:
        schema = {"type": "integer", "minimum": 1, "maximum": MOST_ROWS}
    elif one.form is Form.DURATION:
        schema = {"type": "string", "pattern": "^(0|([0-9]{1,4}d)?([0-9]{1,4}h)?([0-9]{1,4}m)?([0-9]{1,4}s)?)$"}
    elif one.form is Form.TIME:
        schema = {"anyOf": [*({"type": "string", "format": one} for one in ("date", "date-time")), {"const": ""}]}
    elif one.form is Form.CURSOR:
        schema = {"type": "string", "maxLength": cursors.LONGEST}
    return {"name": one.name, "in": "query", "description": one.meaning, "schema": schema}


def _events() -> Schema:
    """Changes: alone, `limit` may be any number, as it always could."""
    found = _list("The latest changes of tokens, newest first.", "Event", parameters.EVENTS)
    for one in found["get"]["parameters"]:
        if one["name"] == "limit":
            one["schema"] = _NUMBER
    return found


def _list(summary: str, schema: str, known: Sequence[Parameter]) -> Schema:
    rows = {"schema": {"type": "array", "items": {"$ref": f"#/components/schemas/{schema}"}}}
    content = {"application/json": rows, "text/csv": {"schema": _TEXT}}
    headers = {
        "X-Total-Count": {"description": "The number of rows of all pages.", "schema": _NUMBER},
        "X-Next-Cursor": {"description": "The cursor of the next page, if there is one.", "schema": _TEXT},
        "Link": {"description": 'The next page, as `<…>; rel="next"` (RFC 8288).', "schema": _TEXT},
    }
    return _get(summary, known, content, headers)


def _get(
    summary: str, known: Sequence[Parameter], content: Mapping[str, Schema], headers: Mapping[str, Schema] | None = None
) -> Schema:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    responses: Schema = {
        "200": {"description": "OK", "content": dict(content), "headers": dict(headers or {})},
        "304": {"description": "The client has this already, as its `If-None-Match` says."},
        "400": {"description": "A parameter is unknown or cannot be read.", "content": problem},
        "503": {"description": "Too many responses in progress; try again soon."},
    }
    return {"get": {"summary": summary, "parameters": [_parameter(one) for one in known], "responses": responses}}


def _one(summary: str, schema: Schema) -> Schema:
    return _get(summary, (), {"application/json": {"schema": schema}})


@functools.cache
def document() -> bytes:
    """The description as JSON."""
    found = {
        "openapi": "3.1.0",
        "info": {
            "title": "yunxiao-token-exporter",
            "version": __version__,
            "description": (
                "What the exporter knows about personal access tokens. It only ever reads. Lists without `limit` are "
                "whole lists; with it they are pages, each with a link to the next one."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "."}],
        "paths": {
            "/tokens": _list("Tokens and SSH keys, by expiry unless asked otherwise.", "Token", parameters.TOKENS),
            "/violations": _list(
                "Tokens, and users as a whole, that violate policies.", "Violation", parameters.VIOLATIONS
            ),
            "/users": _list("Users, those first whose polls fail.", "User", parameters.USERS),
            "/events": _events(),
            "/organizations": _one(
                "All organizations.",
                {"type": "array", "items": {"$ref": "#/components/schemas/Organization"}},
            ),
            "/status": _one("The exporter's own status.", {"$ref": "#/components/schemas/Status"}),
            "/calendar.ics": _get(
                "The next expiries as a calendar (iCalendar); 500 of them unless limited otherwise.",
                parameters.CALENDAR,
                {"text/calendar": {"schema": _TEXT}},
            ),
            "/openapi.json": _one("This description.", {"type": "object"}),
        },
        "components": {"schemas": _SCHEMAS},
    }
    return json.dumps(found, ensure_ascii=False).encode()
