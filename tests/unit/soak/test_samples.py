from __future__ import annotations

from soak.samples import parse_scrape

TEXT = """\
# HELP yunxiao_exporter_leader 1 while this process polls.
yunxiao_exporter_leader 1.0
yunxiao_user_last_success_timestamp_seconds{organization="acme",user_id="u1",user="a} b"} 1.5e+09
yunxiao_user_up{organization="acme",user_id="u2",user="c"} 0
yunxiao_token_last_event_timestamp_seconds{organization="gone",event="created"} 5
yunxiao_exporter_family_left_out{family="x"} 0
"""


def test_a_scrape_is_read() -> None:
    scrape = parse_scrape(TEXT.replace("a} b", "a b"))
    assert scrape.leader
    assert scrape.organizations == {"acme", "gone"}
    assert scrape.users == {"u1", "u2"}
    assert scrape.last_success == {"u1": 1.5e9}


def test_a_standby_is_not_a_leader() -> None:
    assert not parse_scrape("yunxiao_exporter_leader 0.0\n").leader


def test_ended_entries_for_alert_rules_are_left_out() -> None:
    scrape = parse_scrape(
        'yunxiao_token_alert_expiry_timestamp_seconds{organization="acme",user_id="1",token="a} b"} 0\n'
        'yunxiao_alert_source_rank{alert_source="x",organization="gone"} 0.0\n'
        'yunxiao_policy_alert_violations{organization="globex",policy="max_age"} 2\n'
        'yunxiao_user_up{organization="acme",user_id="2"} 0\n'
    )
    assert scrape.organizations == {"acme", "globex"}
    assert scrape.users == {"2"}
