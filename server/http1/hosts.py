"""Names of hosts, as Host headers and the public URL have them."""

import re
from ipaddress import AddressValueError, IPv6Address
from typing import Final

_LONGEST_HOST: Final = 255
"""Octets of a Host header: a name has no more than 253, but for the dot at its end."""

_LAST_PORT: Final = 65_535
_HOST: Final = re.compile(
    r"(?:(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?|\[(?P<address>[0-9A-Fa-f:.]+)\])"
    r"(?::(?P<port>[0-9]{0,5}))?"
)


def is_host(header: str | None) -> bool:
    """Tell whether a Host header, if there is one, names a host of the Internet.

    The grammar of RFC 3986 admits more, of which no name can be looked up: labels without or with
    more than 63 characters, other characters than those of names, and any length.
    """
    if header is None:  # addresses are made of the name that the server itself goes by
        return True
    match = _HOST.fullmatch(header) if len(header) <= _LONGEST_HOST else None
    if match is None or int(match["port"] or 0) > _LAST_PORT:
        return False
    if match["address"] is None:
        return True
    try:
        IPv6Address(match["address"])
    except AddressValueError:
        return False
    return True
