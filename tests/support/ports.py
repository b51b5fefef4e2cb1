"""Ports nobody listens on."""

import random
import socket

_BELOW_CLIENTS = range(20_000, 32_000)
"""The kernel gives clients ports from 32,768 up: one of those may be taken before a server gets to listen on it."""


def free_port() -> int:
    """A port on loopback that was free a moment ago, and that no client gets meanwhile."""
    for port in random.SystemRandom().sample(_BELOW_CLIENTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError(f"100 ports of {_BELOW_CLIENTS} are in use")
