from __future__ import annotations

import pytest
from support.builders import ManualClock
from support.web import CountedRefusals

from exporter.metrics.families.http import Refusal
from exporter.web.deliveries import MAX_BYTES, Deliveries

MIB = 1 << 20


class Scene:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.refusals = CountedRefusals(self.clock)
        self.deliveries = Deliveries(self.clock, self.refusals)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_readers_of_one_body_count_once(scene: Scene) -> None:
    body = bytes(50 * MIB)
    assert all(scene.deliveries.begin(body, None) for _ in range(200))
    assert scene.deliveries.bytes_being_sent == 50 * MIB
    for _ in range(200):
        scene.deliveries.end(body, None)
    assert scene.deliveries.bytes_being_sent == 0


def test_small_bodies_fill_the_limit_and_no_more(scene: Scene) -> None:
    bodies = [bytes(MIB) for _ in range(MAX_BYTES // MIB + 1)]
    assert [scene.deliveries.begin(body, None) for body in bodies] == [True] * 128 + [False]
    assert scene.refusals.seen == {Refusal.TOO_MANY_BODIES: 1}


def test_three_bodies_are_always_allowed_however_large(scene: Scene) -> None:
    bodies = [bytes(100 * MIB) for _ in range(4)]
    assert [scene.deliveries.begin(body, None) for body in bodies] == [True, True, True, False]
    scene.deliveries.end(bodies[0], None)
    assert scene.deliveries.begin(bodies[3], None)


def test_after_the_grace_period_the_oldest_body_makes_room_and_its_clients_are_cut(scene: Scene) -> None:
    bodies = [bytes(100 * MIB) for _ in range(4)]
    for body in bodies[:3]:
        assert scene.deliveries.begin(body, None)
        scene.clock.advance(0.5)
    assert scene.deliveries.begin(bodies[3], None)
    assert scene.deliveries.bytes_being_sent == 300 * MIB
    # The reader that was cut off ends, too, and takes nothing away from the others.
    scene.deliveries.end(bodies[0], None)
    assert scene.deliveries.bytes_being_sent == 300 * MIB


def test_small_bodies_are_never_refused(scene: Scene) -> None:
    for _ in range(3):
        assert scene.deliveries.begin(bytes(100 * MIB), None)
    assert scene.deliveries.begin(b"healthy", None)
