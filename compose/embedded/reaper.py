"""Stops the servers of a launcher that died without doing it, by kill -9 for example.

Runs as its own process and reads lines `+PID SIGNAL` and `-PID` from the pipe that only the
launcher holds open. When the pipe closes, the launcher is gone or done: every process still listed
gets its signal, and SIGKILL if it does not end. The parent-death signal of Linux would do less: it
follows the thread that started a child, and a test that restarts a server from a pool's thread
would lose it with the pool.
"""

import signal
import sys
from typing import TextIO

import psutil

GRACE_SECONDS = 60.0


def main(commands: TextIO) -> None:
    """Follow the launcher's pipe to its end, then stop what is left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tracked: dict[int, tuple[psutil.Process, int]] = {}
    for line in commands:
        words = line.split()
        if line.startswith("+"):
            _track(tracked, int(words[0]), int(words[1]))
        else:
            tracked.pop(-int(words[0]), None)
    _stop(list(tracked.values()))


def _track(tracked: dict[int, tuple[psutil.Process, int]], pid: int, stop_signal: int) -> None:
    if psutil.pid_exists(pid):
        tracked[pid] = (psutil.Process(pid), stop_signal)


def _stop(tracked: list[tuple[psutil.Process, int]]) -> None:
    alive = [(process, number) for process, number in tracked if process.is_running()]
    for process, number in alive:
        process.send_signal(number)
    _, stubborn = psutil.wait_procs([process for process, _ in alive], timeout=GRACE_SECONDS)
    for process in stubborn:
        process.kill()


if __name__ == "__main__":
    main(sys.stdin)
