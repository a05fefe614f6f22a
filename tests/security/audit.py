"""Asks for known vulnerabilities of the locked packages: `python -m tests.security.audit`, part of `make check`.

Exit code 1 when there are any. Where the advisories cannot be had it says so and fails nothing. The answer is kept for
the day, so that a check costs nothing but the first time.
"""

import hashlib
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
_LOCK: Final = ROOT / "requirements.lock"
_LONGEST_SECONDS: Final = 90
_COMMAND: Final = ("--no-deps", "--disable-pip", "--progress-spinner", "off", "--timeout", "5", "--format", "json")


def verdict(answer: str | None) -> tuple[str, bool]:
    """What to say of pip-audit's answer, None if it gave none, and whether packages are vulnerable."""
    try:
        packages: list[dict[str, Any]] = json.loads(answer or "")["dependencies"]
    except (ValueError, KeyError, TypeError):
        return "dependency audit: the advisories cannot be reached, nothing was audited", False
    audited = [package for package in packages if "skip_reason" not in package]
    found = [
        f"{package['name']} {package['version']}: {flaw['id']}, fixed in "
        f"{', '.join(flaw['fix_versions']) or 'no version yet'}"
        for package in audited
        for flaw in package["vulns"]
    ]
    if not audited:
        return "dependency audit: the advisories know no package, nothing was audited", False
    summary = f"dependency audit: {len(audited)} of {len(packages)} packages, {len(found)} vulnerabilities"
    return "\n".join([summary, *found]), bool(found)


def ask() -> str | None:
    """The answer of pip-audit, None if there is none in time."""
    program = Path(sys.executable).with_name("pip-audit")
    command = [str(program), "--requirement", str(_LOCK), *_COMMAND]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_SECONDS, check=False).stdout
    except subprocess.TimeoutExpired:
        return None


def main() -> None:
    """Ask once a day for each lock file."""
    today = datetime.now(UTC).date().isoformat()
    digest = hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:16]
    kept = ROOT / "var" / "audit" / f"{today}-{digest}.json"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(ask() or "")
    text, vulnerable = verdict(kept.read_text())
    sys.stdout.write(text + "\n")
    raise SystemExit(1 if vulnerable else 0)


if __name__ == "__main__":
    main()
