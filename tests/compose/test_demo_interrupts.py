"""Ctrl-C in the demo: a line at once, and the second stops everything that was started, at once."""

import os
import signal
import subprocess
import sys

import psutil

_PROGRAM = """
import subprocess, sys, time
from compose.demo.signals import signals_unwind

def stubborn():
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    return subprocess.Popen([sys.executable, "-c", code], start_new_session=True)

with signals_unwind() as interrupts:
    child = stubborn()
    with interrupts.ending_traffic():
        print("traffic", child.pid, flush=True)
        while not interrupts.requested:
            time.sleep(0.05)
    print("recount", flush=True)
    try:
        time.sleep(600)
    finally:
        child.wait()  # which never ends by itself
"""
_START = """
import time
from compose.demo.signals import signals_unwind

with signals_unwind():
    try:
        print("starting", flush=True)
        time.sleep(600)
    finally:
        print("cleaned up", flush=True)
"""


def _start(program: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": ":".join(sys.path)},
    )


def _line(process: subprocess.Popen[str]) -> str:
    """The next line that is not empty."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip():
            return line.strip()
    raise AssertionError(f"nothing more was said, exit code {process.wait()}")


def test_the_first_ends_the_traffic_and_the_second_everything() -> None:
    with _start(_PROGRAM) as demo:
        traffic, number = _line(demo).split()
        assert traffic == "traffic"
        child = psutil.Process(int(number))
        demo.send_signal(signal.SIGINT)
        assert _line(demo) == "Stopping the traffic; press Ctrl-C again to end without the recount"
        assert _line(demo) == "recount"
        assert child.is_running()
        demo.send_signal(signal.SIGINT)
        assert _line(demo) == "Ending at once"
        assert demo.wait(120) == 130
    gone, alive = psutil.wait_procs([child], timeout=60)
    assert (len(gone), alive) == (1, [])


def test_before_the_traffic_it_ends_in_order() -> None:
    with _start(_START) as demo:
        assert _line(demo) == "starting"
        demo.send_signal(signal.SIGINT)
        message = "Stopping everything that was started; press Ctrl-C again to end at once"
        assert (_line(demo), _line(demo)) == (message, "cleaned up")
        demo.communicate(timeout=120)
