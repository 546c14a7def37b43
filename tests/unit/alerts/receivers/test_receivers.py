"""Which receiver a section of the configuration gets."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import get_args

import pytest
from support.builders import ManualClock, a_watchdog

from exporter.alerts.receivers import make_receiver
from exporter.alerts.receivers.alertmanager import AlertmanagerReceiver
from exporter.common.redaction import Redactor
from exporter.config.alerting import Alerting, Alertmanager, ReceiverSection
from exporter.config.settings import AlertmanagerSettings


def test_a_section_gets_the_receiver_of_its_kind() -> None:
    clock = ManualClock()
    settings = AlertmanagerSettings(Alertmanager(url="http://127.0.0.1:9093"), None)
    receiver = make_receiver(settings, a_watchdog(clock), clock, Redactor())
    assert type(receiver) is AlertmanagerReceiver
    assert (receiver.name, receiver.timeout) == ("http://127.0.0.1:9093", 10.0)


@pytest.mark.parametrize("section", ReceiverSection.__subclasses__(), ids=lambda one: one.__name__)
def test_each_kind_has_a_module_that_makes_its_receiver(section: type[ReceiverSection]) -> None:
    factory = import_module(f"exporter.alerts.receivers.{section.kind}").receiver
    assert list(inspect.signature(factory).parameters) == ["settings", "watchdog", "clock", "redactor"]


def test_every_kind_has_a_list_in_the_configuration() -> None:
    listed = {part for field in Alerting.model_fields.values() for part in get_args(field.annotation)}
    assert set(ReceiverSection.__subclasses__()) <= listed


def test_all_receivers_are_listed_with_their_place_in_the_file() -> None:
    section = Alerting(alertmanagers=(Alertmanager(url="http://a:9093"), Alertmanager(url="http://b:9093")))
    assert [(key, index, one.url) for key, index, one in section.receivers] == [
        ("alertmanagers", 0, "http://a:9093"),
        ("alertmanagers", 1, "http://b:9093"),
    ]
