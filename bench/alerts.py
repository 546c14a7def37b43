"""The cost of evaluating alerts after one user has changed, compared with an evaluation of all users."""

from __future__ import annotations

import gc
import time
from statistics import mean
from typing import TYPE_CHECKING

from support import alert_oracle
from support.alert_oracle import FullTracker

from bench.fleet import WITH_POLICIES, a_ledger
from bench.table import Row, markdown
from exporter.alerts.evaluator import Evaluator
from exporter.alerts.notification import Moment
from exporter.alerts.tracker import Tracker
from exporter.state.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

_RESEND = 60.0
_EVERY = 15.0
_STEPS = 8


def alerting(users: int) -> str:
    """A table of the CPU time of one evaluation and of what is due: means over two minutes in steps of 15 seconds."""
    ledger, store = a_ledger(users), Store()
    store.replace([ledger])
    config = WITH_POLICIES
    evaluator = Evaluator(store, lambda: None, dict, lambda _: None)
    tracker, full = Tracker(), FullTracker()

    def changes(at: Moment) -> int:
        tracker.update(evaluator.evaluate(config, at.wall, tracker.applied), at, _RESEND)
        return len(tracker.due(at, _RESEND))

    def everything(at: Moment) -> int:
        return len(full.due(alert_oracle.alerts(store.view(), config, None, at.wall, {}), at, _RESEND))

    now = time.time()
    # As in the daemon: what is there stays, and is not scanned again and again.
    gc.collect()
    gc.freeze()
    first, _ = _cpu(changes, Moment(now, 0.0))
    _cpu(everything, Moment(now, 0.0))
    ours: dict[bool, list[float]] = {False: [], True: []}
    full_times = []
    user, other = ledger.view().users[:2]
    for step in range(1, _STEPS + 1):
        at = Moment(now + _EVERY * step, _EVERY * step)
        ledger.succeeded(user.user.user_id, () if step % 2 else other.tokens, at.wall)
        spent, sent = _cpu(changes, at)
        ours[sent > users / 100].append(spent)
        full_times.append(_cpu(everything, at)[0])
    gc.unfreeze()
    rows = [
        Row("ours, one user changed", mean(ours[False]), "with the alerts whose words change at that time"),
        Row("ours, all alerts sent again", mean(ours[True]), f"once a minute; {sum(tracker.firing.values()):,} fire"),
        Row("an evaluation of all users", mean(full_times), "and of all alerts that fire"),
        Row("ours, the first evaluation", first, "after a start or reload"),
    ]
    return markdown(f"An evaluation of the alerts of {users:,} users, four policies", "seconds of CPU", rows)


def _cpu(work: Callable[[Moment], int], at: Moment) -> tuple[float, int]:
    """The seconds of CPU, and the number of notifications."""
    started = time.process_time()
    sent = work(at)
    return time.process_time() - started, sent
