from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from structlog.testing import capture_logs

from exporter.app.tls_files import TlsFilesMonitor
from exporter.common.live_tls import ClientCertificate
from exporter.common.x509 import Validity
from exporter.metrics.instruments import Instruments

if TYPE_CHECKING:
    from exporter.common.live_tls import LiveTls

EXPIRY = "yunxiao_exporter_client_certificate_expiry_timestamp_seconds"
ERRORS = "yunxiao_exporter_tls_file_errors_total"


@dataclass
class Files:
    """Stands for the files of one section."""

    certificate: ClientCertificate | None = None
    problem: str | None = None

    def check(self) -> None:
        """Read the files again: the same words, but another object."""
        self.problem = None if self.problem is None else "".join([*self.problem])


class Scene:
    def __init__(self, **files: Files) -> None:
        self.files = files
        self.instruments = Instruments()
        self.monitor = TlsFilesMonitor(lambda: cast("dict[str, LiveTls]", self.files).items(), self.instruments)

    def check(self) -> list[tuple[str, str, str | None]]:
        with capture_logs() as logged:
            self.monitor.check()
        return [(one["log_level"], one["key"], one.get("detail")) for one in logged]

    def value(self, name: str, **labels: str) -> float | None:
        return self.instruments.registry.get_sample_value(name, labels)


def test_a_problem_that_lasts_is_logged_and_counted_once() -> None:
    scene = Scene(a=Files(problem="cannot be read"))
    assert (scene.check(), scene.value(ERRORS)) == ([], 0)
    assert (scene.check(), scene.value(ERRORS)) == ([("error", "a", "cannot be read")], 1)
    assert (scene.check(), scene.value(ERRORS)) == ([], 1)
    scene.files["a"].problem = None
    assert scene.check() == [("info", "a", None)]
    assert (scene.check(), scene.value(ERRORS)) == ([], 1)


def test_the_moment_between_two_files_that_are_replaced_is_not_logged() -> None:
    scene = Scene(a=Files())
    for problem in ("does not belong", None, "does not belong", "is another", None):
        scene.files["a"].problem = problem
        assert scene.check() == []
    assert scene.value(ERRORS) == 0


def test_another_problem_is_logged_and_one_that_went_away_with_its_section_is_forgotten() -> None:
    scene = Scene(a=Files(problem="one"), b=Files(problem="x"))
    scene.check()
    assert scene.check() == [("error", "a", "one"), ("error", "b", "x")]
    scene.files["a"].problem = "two"
    del scene.files["b"]
    assert scene.check() == []
    assert scene.check() == [("error", "a", "two")]
    assert scene.value(ERRORS) == 3


def test_the_expiry_of_each_certificate_is_exposed_until_it_is_no_longer_used() -> None:
    first = ClientCertificate(Path("/a.pem"), Validity(0.0, 1000.0))
    unreadable = ClientCertificate(Path("/b.pem"), None)
    scene = Scene(x=Files(first), y=Files(first), z=Files(unreadable), ca_only=Files())
    scene.check()
    assert scene.value(EXPIRY, cert_file="/a.pem") == 1000.0
    assert scene.value(EXPIRY, cert_file="/b.pem") is None
    scene.files = {"x": Files(ClientCertificate(Path("/c.pem"), Validity(0.0, 2000.0)))}
    scene.check()
    assert scene.value(EXPIRY, cert_file="/a.pem") is None
    assert scene.value(EXPIRY, cert_file="/c.pem") == 2000.0
