"""The devices that `--device` can name, as text: ssh://user@host:port and adb://SERIAL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from pocketvision.errors import InputError
from pocketvision.measure.adb import Adb
from pocketvision.measure.links import Link
from pocketvision.measure.remote_device import RemoteDevice
from pocketvision.measure.ssh import Ssh

SCHEMES = ("ssh", "adb")
OPTIONS = ("python", "folder")
EXAMPLES = "ssh://user@host, ssh://user@host:port, adb://SERIAL or adb:// for the only one connected"
# A name of ssh's configuration, a host, an address, one of IPv6 in brackets; never what looks like an option.
SSH = re.compile(
    r"(?P<user>(?!-)[^@:\s]+@)?(?P<host>(?!-)[^@:\[\]\s]+|\[[^@\[\]\s-][^@\[\]\s]*\])(:(?P<port>\d{1,5}))?"
)
SERIAL = re.compile(r"(?!-)\S*")


def is_remote(text: str) -> bool:
    """Whether `text` names a device by one of the SCHEMES; `cpu` and its like are this machine's."""
    return "://" in text


@dataclass(frozen=True)
class Address:
    """A device as text names it. `target` is ssh's host, with user@ if given, or adb's serial."""

    name: str
    scheme: str
    target: str
    port: int | None
    python: str
    place: str | None  # where its temporary folder is to be made

    def link(self) -> Link:
        """The way there; nothing is connected yet."""
        return Ssh(self.target, self.port, self.place) if self.scheme == "ssh" else Adb(self.target, self.place)


def open_device(text: str) -> RemoteDevice:
    """Connect to the device that `text` names; to be closed, best by `with`.

    `ssh://user@host:port` goes through OpenSSH's client, whose own configuration counts, `adb://SERIAL` through
    Android's debug bridge. `?python=/a/path` names the Python to use there and `&folder=/a/path` where to make the
    temporary folder. InputError as of `RemoteDevice`, and for a text that names no device.
    """
    address = read_address(text)
    return RemoteDevice(address.name, address.link(), address.python)


def read_address(text: str) -> Address:
    """What `text` says, see `open_device`; InputError for what names no device."""
    no_device = InputError(f"{text!r} names no device: give {EXAMPLES}")
    try:
        parts = urlsplit(text)
    except ValueError:  # a bracket that does not close
        raise no_device from None
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = [name for name in options if name not in OPTIONS or not options[name]]
    found = {"ssh": SSH, "adb": SERIAL}[parts.scheme].fullmatch(parts.netloc) if parts.scheme in SCHEMES else None
    if found is None or parts.path not in ("", "/") or parts.fragment:
        raise no_device
    if unknown:
        raise InputError(f"{text!r}: {unknown[0]} is no option of a device: give ?python=/path or ?folder=/path")
    target, port = parts.netloc, None
    if parts.scheme == "ssh":
        target = (found["user"] or "") + found["host"].strip("[]")
        port = int(found["port"]) if found["port"] else None
    name = f"{parts.scheme}://{parts.netloc}"
    return Address(name, parts.scheme, target, port, options.get("python", "python3"), options.get("folder"))
