from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from support.builders import DAY, NOW

from exporter.metrics.countdown import countdown
from exporter.model.token import NEVER

if TYPE_CHECKING:
    from exporter.metrics.countdown import Countdown


def a_countdown(*values: str, label: str = "ci") -> Countdown:
    lines = "".join(f'expiry_seconds{{token="{label}"}} {value}\n' for value in values)
    return countdown(lines.encode(), "expiry_seconds", "left")


def test_values_count_down_to_the_expiry_in_milliseconds() -> None:
    text = a_countdown(repr(NOW + 90.0), repr(NOW - 0.25), "+Inf").at(NOW + 0.0625).text
    # 89.9375 and -0.3125, rounded to the even digit as Python's format does
    assert text == b'left{token="ci"} 89.938\nleft{token="ci"} -0.312\nleft{token="ci"} +Inf\n'


def test_labels_stay_as_they_are() -> None:
    for label in ("100%", "%s %d %%", " 5", "a\rb", "\\n", "张三", "expiry_seconds", "} 7"):
        assert a_countdown(repr(NOW + 1), label=label).at(NOW).text == f'left{{token="{label}"}} 1.000\n'.encode()


def test_without_dates_percent_signs_stay_as_they_are() -> None:
    assert a_countdown("+Inf", label="50%").at(NOW).text == b'left{token="50%"} +Inf\n'


@given(
    st.lists(st.just(NEVER) | st.floats(NOW - 400 * DAY, NOW + 4000 * DAY), max_size=20),
    st.floats(NOW - DAY, NOW + DAY),
)
def test_values_are_those_of_a_subtraction(expiries: list[float], now: float) -> None:
    spelled = ["+Inf" if one == NEVER else repr(one) for one in expiries]
    expected = ["+Inf" if one == NEVER else f"{one - now:.3f}" for one in expiries]
    text = a_countdown(*spelled).at(now).text.decode()
    assert [line.rpartition(" ")[2] for line in text.splitlines()] == expected
