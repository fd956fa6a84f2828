"""Forbid the network to a Python process and its children: put this folder on PYTHONPATH.

An attempt raises, and is noted in the file that UNET_NETWORK_LOG names, so that code which
catches the error is found out as well.
"""

import ipaddress
import os
import socket
from pathlib import Path

_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex
_getaddrinfo = socket.getaddrinfo


def _is_local(host):
    if not host or host in ("localhost", b"localhost", socket.gethostname()):
        return True
    try:
        address = ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _refuse_unless_local(host):
    if _is_local(host):
        return
    if log := os.environ.get("UNET_NETWORK_LOG"):
        with Path(log).open("a") as file:
            file.write(f"{host}\n")
    raise OSError(f"the tests run without a network, and something wanted to reach {host!r}")


def _check_address(address):
    # A Unix socket's address is a path rather than a pair.
    if isinstance(address, tuple):
        _refuse_unless_local(address[0])


def _local_connect(self, address):
    _check_address(address)
    return _connect(self, address)


def _local_connect_ex(self, address):
    _check_address(address)
    return _connect_ex(self, address)


def _local_getaddrinfo(host, *arguments, **options):
    _refuse_unless_local(host)
    return _getaddrinfo(host, *arguments, **options)


socket.socket.connect = _local_connect
socket.socket.connect_ex = _local_connect_ex
socket.getaddrinfo = _local_getaddrinfo
