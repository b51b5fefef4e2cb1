"""Why an import failed, from the exception that `smoke_runner.py` describes: whose fault it is.

    cause({"types": ["ModuleNotFoundError", ...], "text": "No module named 'gi'", "missing": "gi", ...}, own=["app"])

Rules are tried in order, for the exception and then for those it came from. Whatever no rule knows is the wheel's own
fault, so a rule is a claim: it is here because a real project fails that way.
"""

from __future__ import annotations

import re
from typing import Any, Collection, Mapping, Sequence

IMPORTED, PACKAGE, HARDWARE, BROKEN, UNTESTED = "imported", "needs_package", "needs_hardware", "broken", "untested"

# fmt: off
_GONE = frozenset({
    # The standard library of Python 2, and what Python 3 had until 3.13. Some of it can be had as a package again, but a
    # project that does not ask for that package is older than this Python.
    "BaseHTTPServer", "CGIHTTPServer", "ConfigParser", "Cookie", "HTMLParser", "Queue", "SimpleHTTPServer",
    "SocketServer", "StringIO", "Tkinter", "UserDict", "__builtin__", "anydbm", "cPickle", "cStringIO", "commands",
    "cookielib", "copy_reg", "dummy_thread", "exceptions", "htmlentitydefs", "httplib", "md5", "robotparser", "sets", "sha",
    "thread", "tkFileDialog", "tkMessageBox", "urllib2", "urlparse", "xmlrpclib",
    "_bootlocale", "aifc", "asynchat", "asyncore", "audioop", "binhex", "cgi", "cgitb", "chunk", "crypt",
    "dummy_threading", "formatter", "imghdr", "imp", "lib2to3", "macpath", "mailcap", "msilib", "nis", "nntplib",
    "ossaudiodev", "parser", "pipes", "smtpd", "sndhdr", "spwd", "sunau", "symbol", "telnetlib", "uu", "xdrlib",
})
_ELSEWHERE = frozenset({
    # Windows, macOS, MicroPython: what imports it can never be imported here.
    "_winapi", "_winreg", "msvcrt", "nt", "pythoncom", "pywintypes", "win32api", "win32com", "win32con", "win32file",
    "win32gui", "winreg", "winsound", "AppKit", "CoreFoundation", "Foundation", "Quartz", "objc",
    "machine", "pyb", "uasyncio", "ubinascii", "uos", "ustruct", "utime",
})
_SPLIT = frozenset({
    # Packages of which parts come from other distributions, and which are no namespaces all the same.
    "PyQt5", "PyQt6", "PySide2", "PySide6", "backports", "google", "mpl_toolkits", "paste", "repoze", "ruamel",
    "sphinxcontrib", "zope",
})
_FOREIGN_PRIVATE = frozenset({
    # Modules with an underscore that other packages are known by, or that Debian splits off the standard library.
    "_cffi_backend", "_curses", "_dbm", "_dbus_bindings", "_dbus_glib_bindings", "_distutils_hack", "_gdbm", "_gi",
    "_ldap", "_lsprof", "_mysql", "_pytest", "_ruamel_yaml", "_sqlite3", "_tkinter", "_yaml",
})
# fmt: on
_DEVICES = ("/dev/", "/sys/class/", "/sys/bus/", "/sys/devices/", "/sys/firmware/", "/proc/", "/boot/")
_HARDWARE = re.compile(
    r"""
      raspberry\ ?pi\b(?!.*\bpackage\b) | \bSOC\ peripheral | /dev/(mem|gpio|i2c|spi|tty|video|vc|fb|snd|input|hidraw)
    | /sys/class/ | /proc/device-tree | /proc/cpuinfo | \b(board|microcontroller|platform|chip|soc)\ not\ supported
    | \bnot\ (supported|available|implemented)\ (for|on|by)\ (this|your)\ (board|platform|machine|hardware|device|kernel)
    | \bkernel\ modules?\b
    | (not|un)\ ?supported\ (board|microcontroller|platform|soc|chip|hardware) | this\ platform\ is\ not\ supported
    | \b(cannot|can't|could\ not|couldn't|unable\ to|failed\ to)\ (determine|detect|identify|find|open|access)\ .{0,40}
      \b(board|gpio|i2c|spi|device|hardware|camera|sensor|serial\ port|display|screen|peripheral|bcm2?\d+)\b
    | no\ (such\ )?(device|display|screen|camera|gpio|usb|audio|sound|serial)\b | \bno\ \$?DISPLAY\b | \$DISPLAY\b
    | X\ connection | (open|connect\ to|connecting\ to)\ .{0,20}\bdisplay\b | X11\ display | cannot\ open\ display
    | \bDISPLAY\b.{0,30}(not\ set|variable|missing) | xcb\b.{0,20}connect | no\ backend\ available
    | libusb.{0,30}(init|access|not\ found) | (alsa|portaudio|pulse|jack)\b.{0,40}\b(error|server|connect|device|init)
    | \bgpiochip | \bpin\ factory | \bCUDA\b.{0,40}(driver|device|available) | d-?bus\b.{0,60}(connect|socket|launch|address)
    | pigpio(d)?\b.{0,40}connect
    """,
    re.IGNORECASE | re.VERBOSE,
)
_ELSEWHERE_ONLY = re.compile(
    r"\bonly\b.{0,30}\b(windows|macos|mac os|darwin|os x)\b|\brequires (windows|macos)\b", re.IGNORECASE
)
_NETWORK = re.compile(
    r"name resolution|name or service not known|network is unreachable|getaddrinfo|max retries exceeded|urlopen error"
    r"|nodename nor servname|failed to resolve|could not resolve host",
    re.IGNORECASE,
)
_LIBRARY = re.compile(r"(?P<name>lib[\w.+-]+\.so[\w.]*|[\w.+-]+\.so\.\d[\w.]*): cannot open shared object file")
_NO_LIBRARY = re.compile(
    r"\b(library|shared object|lib\w+)\b.{0,60}(not found|could not be (found|loaded)|cannot be found|not installed"
    r"|is missing)|(cannot|can't|could not|couldn't|unable to|failed to) (find|load|locate|open) .{0,60}(\blibrary\b|\blib\w+)"
    r"|no library called|\bnot find .{0,40}\bshared libr",
    re.IGNORECASE,
)


def cause(error: Mapping[str, Any], own: Collection[str], where: str = "") -> str:
    """An outcome, or nothing where this exception alone does not tell."""
    types, text, missing = _texts(error.get("types")), _text(error.get("text")), _text(error.get("missing"))
    filename = _text(error.get("filename"))
    if "ModuleNotFoundError" in types and missing:
        return _missing_module(missing, _text(error.get("within")), own)
    library = _LIBRARY.search(text)
    if library:
        # An extension of the wheel itself was linked against it here, so whoever installs the wheel cannot have it
        # either; of anybody else, or looked for by name, it is a package of the system that can be installed.
        return BROKEN if _is_own_file(_text(error.get("path")), own) else PACKAGE
    if "ImportError" in types and ("undefined symbol" in text or "cannot import name" in text):
        return BROKEN
    if "SyntaxError" in types or _ELSEWHERE_ONLY.search(text):
        return BROKEN
    if filename.startswith(_DEVICES):
        return HARDWARE
    if _HARDWARE.search(text) or (types[:1] == ["KeyError"] and "DISPLAY" in text):
        return HARDWARE
    if _NO_LIBRARY.search(text):
        return PACKAGE
    if _NETWORK.search(text) or "gaierror" in types:
        return UNTESTED
    if "ConnectionError" in types:
        return HARDWARE  # a service of the machine: a display, a sound server, a GPIO daemon
    if error.get("errno") in (13, 30) and filename.startswith("/"):
        return UNTESTED  # it may not write there in the sandbox
    if "ImproperlyConfigured" in types or (
        types[:1] == ["KeyError"] and re.search(r"((^|/)os\.py|<frozen os>):\d+$", where)
    ):
        return UNTESTED  # it wants settings by its environment
    if types[:1] == ["ImportError"] and re.search(r"\b(pip3?|apt(-get)?) install\b|\binstall (the )?[\w-]+", text):
        return PACKAGE
    return ""


def _missing_module(missing: str, within: str, own: Collection[str]) -> str:
    top, *inner = missing.split(".")
    if any(f"{each}.".startswith(f"{missing}.") or f"{missing}.".startswith(f"{each}.") for each in own):
        return BROKEN
    if top in _GONE or top in _ELSEWHERE:
        return BROKEN
    if inner:
        # A part that a package of somebody else's no longer has, or a whole package in a namespace.
        return BROKEN if within and top not in _SPLIT else PACKAGE
    if top.startswith("_") and top not in _FOREIGN_PRIVATE:
        return BROKEN  # an extension of the wheel's own that is not in it
    return PACKAGE


def _is_own_file(path: str, own: Collection[str]) -> bool:
    """Whether a file among the installed packages belongs to one of these modules."""
    inside = re.split(r"/(?:site|dist)-packages/", path)[-1]
    places = [each.replace(".", "/") for each in own]
    return any(inside.startswith((f"{place}/", f"{place}.")) for place in places)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> Sequence[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
