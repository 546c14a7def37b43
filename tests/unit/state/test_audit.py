from __future__ import annotations

from structlog.testing import capture_logs
from support.builders import NOW, a_key, a_state, a_token

from exporter.model.event import Change, Event, events
from exporter.state.audit import KEPT, AuditTrail

LATER = NOW + 900


def test_the_last_thousand_events_are_kept_and_all_are_counted() -> None:
    counted: list[Event] = []
    trail = AuditTrail(counted.append)
    before = a_state()
    earlier = Event(NOW, "acme", "u1", "li.wei", Change.RENAMED, "0", "ci")
    trail.restore([earlier], {("acme", Change.RENAMED): NOW})
    trail.record(events("acme", before, before.succeeded((a_token("a"), a_token("b")), LATER)))
    assert [event.token_id for event in trail.latest()] == ["b", "a", "0"]
    assert [(event.change, event.token_id) for event in counted] == [(Change.CREATED, "a"), (Change.CREATED, "b")]
    many = before.succeeded(tuple(a_token(f"{number}") for number in range(KEPT + 7)), LATER)
    trail.record(events("acme", before, many))
    assert len(trail.latest()) == KEPT
    assert trail.latest()[0].token_id == f"{KEPT + 6}"
    # however much happened since
    assert trail.last() == {("acme", Change.RENAMED): NOW, ("acme", Change.CREATED): LATER}


def test_events_of_ssh_keys_are_kept_and_logged_but_not_counted_as_those_of_tokens() -> None:
    counted: list[Event] = []
    trail = AuditTrail(counted.append)
    before = a_state(keys=())
    with capture_logs() as logs:
        trail.record(events("acme", before, before.succeeded((), LATER, ssh_keys=(a_key(),))))
    assert [event.token for event in trail.latest()] == ["laptop"]
    assert (counted, trail.last()) == ([], {})
    assert (logs[0]["kind"], logs[0]["change"]) == ("ssh_key", "created")
