import socket
import subprocess
import sys

from compose.embedded.ports import LOOPBACK, choose_port, is_free, is_listening

_CHOOSE_AND_WAIT = """
from compose.embedded.ports import choose_port
print(choose_port(), flush=True)
input()
"""


def test_a_free_preferred_port_is_taken() -> None:
    port = choose_port()
    assert choose_port(port) == port


def test_a_taken_preferred_port_gives_way_to_another() -> None:
    with socket.create_server((LOOPBACK, choose_port())) as server:
        taken = server.getsockname()[1]
        other = choose_port(taken)
        assert (is_free(taken), is_listening(taken)) == (False, True)
        assert other != taken
        assert (is_free(other), is_listening(other)) == (True, False)


def test_a_port_another_launcher_has_chosen_is_not_chosen_again() -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", _CHOOSE_AND_WAIT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with other:
        assert other.stdout is not None
        chosen = int(other.stdout.readline())
        assert is_free(chosen)
        assert choose_port(chosen) != chosen
        other.communicate()
    assert choose_port(chosen) == chosen
