import hashlib
import shutil
from pathlib import Path

from app.java import find_java
from compose.embedded.kafka_jars import differences, ensure_jars, pins


def _refuse(text: str) -> None:
    raise AssertionError(f"complete jars must not be fetched again: {text}")


def test_fetched_jars_are_the_pinned_ones_and_kept() -> None:
    java = find_java()
    folder = ensure_jars(java, print)
    assert differences(folder) == []
    assert ensure_jars(java, _refuse) == folder


def test_every_difference_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "jars"
    shutil.copytree(ensure_jars(find_java(), print), folder)
    first, second, *_ = sorted(pins()["sha256"])
    (folder / first).unlink()
    (folder / second).write_bytes(b"not a jar")
    (folder / "extra.jar").write_bytes(b"")
    assert differences(folder) == [
        f"{first} is missing",
        "extra.jar is not pinned",
        f"{second} has another SHA-256 than pinned",
    ]


def test_pins_are_whole_digests() -> None:
    assert {len(digest) for digest in pins()["sha256"].values()} == {hashlib.sha256().digest_size * 2}
