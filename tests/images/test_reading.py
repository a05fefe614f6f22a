"""What `make images` reads: services of compose.yml, layers of a saved image, what of them is new."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.compose.docker_stack import DockerStack, read_stack
from tests.images.layers import Layer, added, as_data, layers
from tests.images.services import Service, services


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> tuple[DockerStack, Path]:
    """The stack and the copy of the project it was read from."""
    folder = tmp_path_factory.mktemp("stack")
    return read_stack(folder), folder


def test_a_service_is_read_as_an_engine_would(stack: tuple[DockerStack, Path]) -> None:
    said, folder = stack
    found = services(folder)
    assert set(found) == set(said.ours)
    batch = found["batch"]
    assert batch.command[:3] == ["globalmart", "schedule", "--daily-at"]
    assert batch.tmpfs == {"/tmp": "exec"}
    assert batch.memory_bytes == int(said.services["batch"]["mem_limit"])
    assert (batch.init, batch.read_only, batch.grace_seconds) == (True, True, 60.0)
    assert batch.health[0] == "python"
    lake, configuration = batch.mounts
    assert (lake.source, lake.target, lake.is_volume) == ("lake", "/var/lib/globalmart", True)
    assert (configuration.read_only, Path(configuration.source).is_file()) == (True, True)
    assert found["api"].mounts[0].read_only
    assert found["worker"].tmpfs["/var/lib/globalmart"] == "uid=10001,gid=10001,mode=0750"
    assert found["migrate"].health == []


def test_a_service_with_rights_is_not_run(stack: tuple[DockerStack, Path]) -> None:
    said = dict(stack[0].services["worker"])
    Service.read("worker", said)
    with pytest.raises(ValueError, match="worker: only services without capabilities"):
        Service.read("worker", said | {"cap_drop": []})


def _archive(path: Path, contents: dict[str, bytes], steps: list[str]) -> Path:
    """As `docker save` writes one; a step that made no layer is in the history all the same."""
    config = {
        "rootfs": {"diff_ids": [f"sha256:{name}" for name in contents]},
        "history": [{"created_by": "ENV", "empty_layer": True}, *({"created_by": s} for s in steps)],
    }
    files = {
        "manifest.json": json.dumps([{"Config": "config.json", "Layers": list(contents)}]).encode(),
        "config.json": json.dumps(config).encode(),
        **contents,
    }
    with tarfile.open(path, "w") as saved:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            saved.addfile(member, io.BytesIO(content))
    return path


def test_layers_and_what_a_change_adds(tmp_path: Path) -> None:
    base = b"b" * 3_000_000
    before = _archive(tmp_path / "1.tar", {"base": base, "one": b"1"}, ["FROM", "COPY"])
    after = _archive(tmp_path / "2.tar", {"base": base, "two": b"2" * 1_500_000}, ["FROM", "COPY"])
    assert layers(before)[0] == Layer("sha256:base", 3_000_000, "FROM")
    rebuilt = added(layers(after), layers(before))
    assert as_data(rebuilt) == {"mb": 1.5, "layers": [{"mb": 1.5, "step": "COPY"}]}
