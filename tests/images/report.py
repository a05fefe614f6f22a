"""What was seen, service by service, and what of it is not as it has to be."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.images.container import Container

_MB = 1_000_000


@dataclass
class Report:
    """Entries in their order, and every failure in words."""

    say: Callable[[str], None]
    entries: list[dict[str, Any]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def check(self, holds: object, what: str) -> None:
        """Keep a failure unless it holds."""
        if not holds:
            self.failures.append(what)
            self.say(f"  FAILED: {what}")

    def add(self, service: str, what: str, **figures: Any) -> None:
        """One line of the report."""
        self.entries.append({"service": service, "what": what, **figures})
        output = ", ".join(f"{name} {value}" for name, value in figures.items())
        self.say(f"  {service}: {what}: {output}")

    def ran(self, container: Container, what: str, *command: str, code: int = 0, **how: Any) -> str:
        """A command in a container, as `docker exec` runs it; what it printed."""
        started = time.monotonic()
        found, output = container.run(*command, **how)
        seconds = round(time.monotonic() - started, 1)
        self.add(container.service.name, what, exit_code=found, seconds=seconds)
        self.check(found == code, f"{container.service.name}: {what} ended with {found}: {output[-800:]}")
        self.check("Traceback" not in output, f"{container.service.name}: {what} ends in a traceback")
        return output

    def stopped(self, container: Container, what: str = "stopped") -> None:
        """SIGTERM, the seconds to the end, and the most memory it had."""
        name = container.service.name
        try:
            seconds = container.stop()
        except RuntimeError as error:
            self.check(False, str(error))
            return
        self.add(name, what, sigterm_seconds=round(seconds, 1), **memory_of(container))
        self.check(not container.memory.killed, f"{name}: the kernel ended a process for want of memory")


def memory_of(container: Container) -> dict[str, float]:
    """The most memory a container had, and its limit, in millions of bytes; nothing where no cgroup could be made."""
    memory = container.memory
    if memory.procs is None:
        return {}
    limit = round(container.service.memory_bytes / _MB)
    return {"peak_mb": round(memory.peak / _MB, 1), "limit_mb": limit if memory.limited else 0}
