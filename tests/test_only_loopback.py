from __future__ import annotations

import socket

import pytest

OUTSIDE = ("192.0.2.1", 9)  # TEST-NET-1, RFC 5737


def test_loopback_is_allowed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here")
def test_unix_sockets_are_allowed() -> None:
    left, right = socket.socketpair()
    with left, right:
        left.sendall(b"x")
        assert right.recv(1) == b"x"


@pytest.mark.parametrize("method", ["connect", "connect_ex"])
def test_an_outside_connection_fails_the_test(method: str) -> None:
    with socket.socket() as sock, pytest.raises(pytest.fail.Exception, match="only loopback"):
        getattr(sock, method)(OUTSIDE)


def test_an_outside_datagram_fails_the_test() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        with pytest.raises(pytest.fail.Exception, match="only loopback"):
            sock.sendto(b"x", OUTSIDE)
        with pytest.raises(pytest.fail.Exception, match="only loopback"):
            sock.sendto(b"x", 0, OUTSIDE)


def test_an_outside_name_is_not_looked_up() -> None:
    with pytest.raises(pytest.fail.Exception, match="only loopback"):
        socket.create_connection(("example.com", 80))
