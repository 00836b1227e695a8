"""The agent's own log: one line each, any characters, never a flood."""

import io

from chainwatch_agent.log import Log


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_lines_are_bytes_and_single() -> None:
    out = io.BytesIO()
    Log(out, Time()).say("a", "größer\nals\t 1")
    assert out.getvalue() == "chainwatch-agent: größer als 1\n".encode("utf-8")


def test_an_unchanged_line_is_repeated_once_a_minute() -> None:
    out, time = io.BytesIO(), Time()
    log = Log(out, time)
    for _ in range(130):
        log.say("a", "gone")
        time.now += 1.0
    assert out.getvalue().count(b"gone") == 3
    log.say("a", "back")
    assert out.getvalue().endswith(b"back\n")


def test_a_flood_is_held_back_and_counted() -> None:
    out, time = io.BytesIO(), Time()
    log = Log(out, time)
    for number in range(1000):
        log.say("a", "line {}".format(number))
    assert out.getvalue().count(b"\n") == 100
    time.now = 61.0
    log.say("a", "after")
    assert out.getvalue().endswith(b"after (900 lines more were held back)\n")


def test_a_closed_stderr_stops_nothing() -> None:
    out = io.BytesIO()
    out.close()
    Log(out, Time()).say("a", "x")
