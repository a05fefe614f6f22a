import socket

from compose.embedded.ports import LOOPBACK, choose_port, is_free, is_listening


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
