"""Connections that were tried in a network namespace, from the kernel's own counters.

    read_connections(pid)       # {"outside": 2, "loopback": 0, "lookups": 4}, or None
    read_connections("self")

A build has no network but a loopback of its own. What it tries all the same leaves traces that no code in it can wipe:
packets without a route (outside), TCP connections opened (loopback), datagrams sent (name lookups go to loopback too,
where nobody answers them).
"""

from __future__ import annotations

from typing import Dict, Mapping, Optional, Union

Counts = Dict[str, int]
_LIMIT = 1 << 16


def read_connections(process: Union[int, str]) -> Optional[Counts]:
    """What was tried so far in the network namespace of a process; None if it cannot be told."""
    try:
        with open("/proc/{}/net/snmp".format(process)) as file:
            counters = parse_snmp(file.read(_LIMIT))
        try:
            with open("/proc/{}/net/snmp6".format(process)) as file:
                counters.update(parse_snmp6(file.read(_LIMIT)))
        except OSError:
            pass  # a kernel without IPv6
        return summarise(counters)
    except (OSError, ValueError):
        return None


def summarise(counters: Mapping[str, int]) -> Counts:
    """Counters of the kernel (`Ip.OutNoRoutes`, ...) as the three numbers a person wants."""
    return {
        "outside": counters.get("Ip.OutNoRoutes", 0) + counters.get("Ip6OutNoRoutes", 0),
        "loopback": counters.get("Tcp.ActiveOpens", 0),
        "lookups": counters.get("Udp.OutDatagrams", 0) + counters.get("Udp6OutDatagrams", 0),
    }


def merge(one: Optional[Counts], other: Optional[Counts]) -> Optional[Counts]:
    """Two looks at counters that only grow."""
    if one is None or other is None:
        return other if one is None else one
    return {name: max(one[name], other[name]) for name in one}


def add(one: Optional[Counts], other: Optional[Counts]) -> Optional[Counts]:
    """The counts of two namespaces."""
    if one is None or other is None:
        return other if one is None else one
    return {name: one[name] + other[name] for name in one}


def parse_snmp(text: str) -> Dict[str, int]:
    """/proc/net/snmp: pairs of lines, names and values."""
    found = {}
    lines = text.splitlines()
    for names, values in zip(lines[::2], lines[1::2]):  # noqa: B905 - Python 3.9 has no strict
        protocol = names.partition(":")[0]
        for name, value in zip(names.split()[1:], values.split()[1:]):  # noqa: B905
            found["{}.{}".format(protocol, name)] = int(value)
    return found


def parse_snmp6(text: str) -> Dict[str, int]:
    """/proc/net/snmp6: a name and a value a line."""
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}
