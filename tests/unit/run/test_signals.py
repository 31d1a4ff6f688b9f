"""A process that is told to end does so, whatever it is doing at that moment."""

import subprocess
import sys

CODE = """
import signal, sys, threading
from pipeline.run.signals import stop_on_signals

def told_to_end_at(number):
    'Wait for what is to stop us; the signal comes before this line of the wait is run, as they follow.'
    stopping = threading.Event()
    stop_on_signals(stopping)
    lines = 0

    def trace(frame, event, _argument):
        nonlocal lines
        if frame.f_code.co_filename != threading.__file__:
            return None
        lines += event == "line"
        if event == "line" and lines == number:
            signal.raise_signal(signal.SIGTERM)
        return trace

    sys.settrace(trace)
    stopping.wait(0.001)
    sys.settrace(None)
    if lines < number:
        return False
    assert stopping.wait(20.0)
    return True

number = 1
while told_to_end_at(number):
    number += 1
print(number)
"""

SOON = 30.0
"""Seconds after which somebody who waits for themselves does so for ever."""


def test_a_signal_is_obeyed_wherever_in_its_wait_the_main_thread_is() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CODE], check=True, timeout=SOON, capture_output=True, text=True
    )

    assert int(ended.stdout) > 10  # lines of a wait
