"""Fixtures of the Docker stack's tests."""

import pytest

from tests.compose.docker_stack import DockerStack, read_stack


@pytest.fixture(scope="session")
def docker_stack(tmp_path_factory: pytest.TempPathFactory) -> DockerStack:
    """compose/compose.yml as Compose itself understands it."""
    return read_stack(tmp_path_factory.mktemp("docker"))
