"""Looks for secrets in the files of the repository: `python -m tests.security.scan`, part of `make check`.

Exit code 1 with file and line of each find. A line that only looks like one carries the word `example-only`.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
ALLOWED: Final = "example-only"
_PLACEHOLDERS: Final = (ALLOWED, "choose-one")
_PATTERNS: Final = {
    "a private key": r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s*\\?n?[A-Za-z0-9+/]{20}",
    "a key of a cloud": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[0-9A-Za-z_-]{35}\b",
    "a token of a forge": r"\b(?:gh[pousr]_[0-9A-Za-z]{36}|github_pat_\w{60,}|glpat-[\w-]{20})",
    "a token of a chat": r"\bxox[abprs]-[0-9A-Za-z-]{20,}",
    "a token of an API": r"\bsk-[0-9A-Za-z_-]{32,}|\beyJ[\w-]{20,}\.eyJ[\w-]{20,}\.",
    "a password in an address": r"\b[a-z][a-z0-9+.-]+://[^/\s:@'\"{}$<>]+:[^/\s:@'\"{}$<>]{4,}@(?!127\.0\.0\.1|host\b|h\b)",
    "a password": r"(?i)\b\w*(?:passw(?:or)?d|secret|api_?key)[\"']?\s*[:=]\s*[\"'](?!password)[^\"'\s{}$<>]{8,}[\"']",
}
_FINDERS: Final = {name: re.compile(pattern) for name, pattern in _PATTERNS.items()}
_LARGEST_BYTES: Final = 2_000_000


def finds(text: str) -> Iterator[tuple[int, str]]:
    """Line number and kind of whatever looks like a secret."""
    for number, line in enumerate(text.splitlines(), 1):
        if not any(word in line for word in _PLACEHOLDERS):
            yield from ((number, name) for name, finder in _FINDERS.items() if finder.search(line))


def tracked_files(root: Path) -> list[Path]:
    """Files under version control; without Git, everything except environments and data."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return [root / name for name in listed.stdout.split("\0") if name]
    skipped = {".venv", "var", ".git"}
    return [path for path in root.rglob("*") if not skipped & set(path.relative_to(root).parts)]


def scan(root: Path) -> list[str]:
    """What was found, as `file:line: kind`."""
    found = []
    for path in tracked_files(root):
        if path.is_file() and path.stat().st_size <= _LARGEST_BYTES:
            text = path.read_bytes().decode("utf-8", "replace")
            found += [f"{path.relative_to(root)}:{n}: looks like {kind}" for n, kind in finds(text)]
    return found


def main() -> None:
    """Print the finds."""
    if found := scan(ROOT):
        sys.stdout.write("\n".join(found) + f"\nno secret? then write {ALLOWED} on that line\n")
        raise SystemExit(1)


if __name__ == "__main__":
    main()
