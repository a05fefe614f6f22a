"""The project's documents as tests read them: code in them, links, headings, tables."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).parents[2]

_FENCES: Final = re.compile(r"^ *```(\w*).*?\n(.*?)^ *```", re.M | re.S)
_SPANS: Final = re.compile(r"`([^`\n]+)`")
_LINKS: Final = re.compile(r"\]\(([^)\s]+)\)")
_PICTURES: Final = re.compile(r'\bsrc(?:set)?="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Document:
    """A Markdown file of the project; `name` is its path from the project's folder."""

    name: str
    text: str

    @property
    def path(self) -> Path:
        """Where it lies."""
        return PROJECT / self.name

    @property
    def prose(self) -> str:
        """The text without its fenced blocks."""
        return _FENCES.sub("", self.text)

    @property
    def blocks(self) -> list[tuple[str, str]]:
        """Language and text of each fenced block."""
        return [(language, block) for language, block in _FENCES.findall(self.text)]

    @property
    def code(self) -> list[str]:
        """Lines of the fenced shell blocks without their comments, and the inline code."""
        lines = [line for language, block in self.blocks if language == "bash" for line in block.splitlines()]
        return [line.split("#")[0] for line in lines] + self.spans

    @property
    def spans(self) -> list[str]:
        """The inline code."""
        return _SPANS.findall(self.prose)

    @property
    def links(self) -> list[str]:
        """Targets of the links and pictures that stay within the project."""
        found = [*_LINKS.findall(self.prose), *_PICTURES.findall(self.prose)]
        return [link for link in found if "://" not in link]

    @property
    def headings(self) -> list[tuple[int, str]]:
        """Level and text of each heading, in order."""
        return [(len(marks), text) for marks, text in re.findall(r"^(#+) (.+)$", self.prose, re.M)]

    @property
    def anchors(self) -> set[str]:
        """Anchors of the headings as GitHub makes them."""
        return {anchor(text) for _, text in self.headings}

    def target(self, link: str) -> tuple[Path, str]:
        """The file a link leads to, and the anchor in it, empty if it names none."""
        name, _, fragment = link.partition("#")
        return (self.path.parent / name).resolve() if name else self.path, fragment

    def section(self, heading: str) -> str:
        """Text under a heading, up to the next one of any level."""
        found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", self.text, re.M | re.S)
        assert found is not None, f"{self.name} has no section {heading}"
        return found[1]

    def first_column(self, heading: str, header: str) -> list[str]:
        """Code in the first cells of the table under a heading whose first header cell is `header`."""
        section = self.section(heading)
        rows = section[section.index(f"| {header} |") :].split("\n\n")[0].splitlines()[2:]
        return [_SPANS.findall(row.split("|")[1])[0] for row in rows]


def anchor(heading: str) -> str:
    """The anchor GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def read(name: str) -> Document:
    """One document."""
    return Document(name, (PROJECT / name).read_text(encoding="utf-8"))


def chapters() -> list[Document]:
    """README.md and the README of each folder that has one."""
    return [read("README.md"), *(read(name) for name in _below_folders("README.md"))]


def documents() -> list[Document]:
    """Every document of the project: chapters, CHANGELOG, DECISIONS, runbooks."""
    others = [path.name for path in sorted(PROJECT.glob("*.md")) if path.name != "README.md"]
    return [*chapters(), *map(read, others), *(read(name) for name in _below_folders("runbooks/*.md"))]


def _below_folders(pattern: str) -> Iterator[str]:
    for folder in ("app", "agents", "tables", "batch", "api", "grafana", "compose", "tests"):
        for path in sorted((PROJECT / folder).rglob(pattern)):
            yield path.relative_to(PROJECT).as_posix()
