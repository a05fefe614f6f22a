"""What a process shows of itself: really its memory, really the disk of its data folder."""

import os
import shutil
from pathlib import Path

import psutil
from prometheus_client import CollectorRegistry

from app.prometheus import register_process
from app.settings import Settings
from app.worker import create_app


def _registry(folder: Path) -> CollectorRegistry:
    registry = CollectorRegistry()
    register_process(registry, folder)
    return registry


def test_memory_is_that_of_this_process(tmp_path: Path) -> None:
    shown = _registry(tmp_path).get_sample_value("process_resident_memory_bytes")
    assert shown is not None
    actual = psutil.Process(os.getpid()).memory_info().rss
    assert 0.5 * actual < shown < 2 * actual


def test_the_disk_is_the_one_of_the_data_folder_even_before_it_is_made(tmp_path: Path) -> None:
    registry = _registry(tmp_path / "not" / "yet")
    usage = shutil.disk_usage(tmp_path)
    assert registry.get_sample_value("globalmart_disk_size_bytes") == usage.total
    free = registry.get_sample_value("globalmart_disk_free_bytes")
    assert free is not None
    assert 0 < free <= usage.total


def test_a_worker_shows_both() -> None:
    registry = CollectorRegistry()
    create_app(Settings({}), registry=registry)
    for name in ("process_resident_memory_bytes", "globalmart_disk_free_bytes"):
        assert registry.get_sample_value(name)
