"""Stops the servers of a launcher that was killed, by kill -9 for example.

Runs as its own process and reads lines `+PID SIGNAL` and `-PID` from a pipe that only the launcher holds open. When the
pipe closes, the launcher has ended: every process still listed receives its signal, and SIGKILL if it does not end. The
parent-death signal of Linux would not be enough: it is bound to the thread that started a child, and a server restarted
from a pool's thread would be killed when the pool ends.
"""

import signal
import sys
from typing import TextIO

import psutil

GRACE_SECONDS = 60.0


def main(commands: TextIO) -> None:
    """Reads the launcher's pipe until it closes, then stops the remaining processes."""
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
    running = [(process, number) for process, number in tracked if process.is_running()]
    for process, number in running:
        process.send_signal(number)
    _, alive = psutil.wait_procs([process for process, _ in running], timeout=GRACE_SECONDS)
    for process in alive:
        process.kill()


if __name__ == "__main__":
    main(sys.stdin)
