"""A supervised loop in a thread: it repeats a step, counts exceptions and continues, and can be joined."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

import structlog

from exporter.common.cancellation import Stop, StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable

_log = structlog.get_logger(__name__)
_PAUSE_AFTER_ERROR = 1.0
_STUCK_AFTER = 60.0
_STOP_TIMEOUT = 5.0


class MonotonicClock(Protocol):
    """The part of a clock that supervision needs."""

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps."""
        ...


class _WorkerStop(Stop):
    """A stop that also wakes the worker's loop."""

    def __init__(self, parent: Stop | None, woken: threading.Event) -> None:
        self._woken = woken
        super().__init__(parent)

    def set(self) -> None:
        super().set()
        self._woken.set()


class Worker:
    """One thread that repeats a step until it is stopped. Exceptions do not end it.

    Args:
        name: names the thread in logs, in the counter of internal errors and in `/-/healthy`.
        step: one round of work. Returns the seconds to wait before the next round; None waits until `wake`.
        supervisor: counts the exceptions of steps and has the clock.
        parent: stops the worker when it is set; None if only `stop` does.
        finish: called once in the thread after the last step, to flush what is pending.
        stuck_after: seconds that one step may run before the worker counts as stuck; None for steps without a limit.
        pause: seconds to wait after a step that raised an exception.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], float | None],
        supervisor: Supervisor,
        *,
        parent: Stop | None = None,
        finish: Callable[[], None] | None = None,
        stuck_after: float | None = _STUCK_AFTER,
        pause: float = _PAUSE_AFTER_ERROR,
    ) -> None:
        self.name = name
        self._step = step
        self._supervisor = supervisor
        self._finish = finish
        self._stuck_after = stuck_after
        self._pause = pause
        self._woken = threading.Event()
        self._stop = _WorkerStop(parent, self._woken)
        # Held while the thread is started, so that a stop meanwhile either prevents the start or waits for the thread.
        self._starting = threading.Lock()
        # Last: a thread that is being started is not alive yet, and not dead either.
        self._started = False
        # When the current step began; None between two steps. Replaced whole, so it needs no lock.
        self._step_since: float | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def stopping(self) -> Stop:
        """The stop of this worker; waits inside a step must use it."""
        return self._stop

    def start(self) -> None:
        """Start the thread, unless the worker has been stopped before.

        Raises:
            RuntimeError: the system gives no more threads.
        """
        with self._starting:
            if not self._stop.is_set():
                self._thread.start()
                self._started = True

    def wake(self) -> None:
        """Run the next step now."""
        self._woken.set()

    def stop(self, timeout: float = _STOP_TIMEOUT) -> bool:
        """Stop the thread and wait until it has ended. May be called before `start` and repeatedly.

        Returns:
            True if the thread has ended; False if a step still runs after ``timeout`` seconds, which is logged.
        """
        self._stop.set()
        self._stop.release()
        if self._thread is threading.current_thread():
            return True
        with self._starting:
            started = self._started
        if not started:
            return True
        self._thread.join(timeout)
        if self._thread.is_alive():
            _log.error("thread did not stop in time", thread=self.name, seconds=timeout)
            return False
        return True

    def problem(self) -> str | None:
        """What is wrong, such as ``lease is dead``; None if the worker runs, was not started or was stopped."""
        if not self._started or self._stop.is_set():
            return None
        if not self._thread.is_alive():
            return f"{self.name} is dead"
        since, limit = self._step_since, self._stuck_after
        if since is not None and limit is not None and (running := self._supervisor.clock.monotonic() - since) > limit:
            return f"{self.name} has been stuck for {running:.0f} s"
        return None

    def _run(self) -> None:
        while not self._stop.is_set():
            # Cleared before the step, so that a wake during the step is not lost.
            self._woken.clear()
            if self._stop.is_set():
                break
            pause = self._guarded(self._step)
            self._woken.wait(None if pause is None else max(0.0, pause))
        if self._finish is not None:
            self._guarded(self._finish)

    def _guarded(self, work: Callable[[], float | None]) -> float | None:
        self._step_since = self._supervisor.clock.monotonic()
        try:
            return work()
        except StoppedError:
            return self._pause
        except Exception:  # noqa: BLE001 - a bug in one step must not end the thread; it is counted
            self._report_crash()
            return self._pause
        finally:
            self._step_since = None

    def _report_crash(self) -> None:
        try:
            _log.exception("a step of the thread failed, the thread continues", thread=self.name)
            self._supervisor.crashed(self.name)
        except Exception:  # noqa: BLE001, S110 - a full disk under the log must not end the thread either
            pass


class Supervisor:
    """Creates the essential threads and reports which of them are dead or stuck.

    Args:
        crashed: called with a worker's name after one of its steps raised an exception; must count it.
        clock: monotonic time.
    """

    def __init__(self, crashed: Callable[[str], None], clock: MonotonicClock) -> None:
        self.crashed = crashed
        self.clock = clock
        # Guards _workers: reloads add and remove workers while health checks read.
        self._lock = threading.Lock()
        self._workers: list[Worker] = []

    def worker(
        self,
        name: str,
        step: Callable[[], float | None],
        *,
        parent: Stop | None = None,
        finish: Callable[[], None] | None = None,
        stuck_after: float | None = _STUCK_AFTER,
        pause: float = _PAUSE_AFTER_ERROR,
    ) -> Worker:
        """A new worker, supervised from its start until it is stopped; the arguments are those of `Worker`."""
        made = Worker(name, step, self, parent=parent, finish=finish, stuck_after=stuck_after, pause=pause)
        with self._lock:
            # Stopped workers are dropped here, so that the list does not grow with each reload.
            self._workers = [one for one in self._workers if not one.stopping.is_set()]
            self._workers.append(made)
        return made

    def problems(self) -> tuple[str, ...]:
        """The problems of all workers; empty if there are none."""
        with self._lock:
            workers = tuple(self._workers)
        return tuple(found for one in workers if (found := one.problem()) is not None)
