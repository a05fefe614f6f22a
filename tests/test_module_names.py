"""A name of a module means one thing: it is used again only where a room shows the same subject."""

from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
PRODUCTION = ("app", "agents", "tables", "batch", "api", "grafana", "compose")
#: Rooms whose files are named after the subject they show: the topic, the mart, the page, the command, the board.
FACES = (
    "agents",
    "app/events/topics",
    "app/cli",
    "api/routes",
    "api/queries",
    "api/marts",
    "api/dashboard/views",
    "grafana/boards",
    "grafana/sql",
)
EVERYWHERE = ("__init__.py", "__main__.py")


def test_no_two_modules_have_one_name() -> None:
    places = defaultdict(list)
    for room in PRODUCTION:
        for file in (ROOT / room).rglob("*.py"):
            if file.name not in EVERYWHERE and str(file.parent.relative_to(ROOT)) not in FACES:
                places[file.name].append(str(file.relative_to(ROOT)))
    assert len(places) > 200
    assert [files for files in places.values() if len(files) > 1] == []


def test_rooms_named_after_a_subject_exist() -> None:
    assert [room for room in FACES if not any((ROOT / room).glob("*.py"))] == []
