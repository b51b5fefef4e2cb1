"""Reads the two files of a wheel's .dist-info that say what it is: METADATA and WHEEL.

    metadata = parse_metadata(archive.read("spidev-3.6.dist-info/METADATA", limit))
    metadata.name, metadata.version, metadata.requires_python

What is fatal is what an installer needs: name, version, Requires-Python and Requires-Dist. A summary of two lines, an
unknown classifier or field, a licence expression nobody knows are the author's business: pip installs such a wheel
today, so refusing it would make the shop worse than no shop. Hence `packaging.metadata`'s fields are judged one by
one, where `Metadata.from_email` would refuse all or nothing.
"""

import email.parser
import email.policy
import re
from dataclasses import dataclass

from packaging.metadata import InvalidMetadata, Metadata, parse_email
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, parse_tag
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

_MOST_HEADERS = 20_000
_MOST_HEADER_NAMES = 200
_HEADER = re.compile(rb"([!-9;-~]+):")
_FOLDED = (b" ", b"\t")


class WheelTextError(ValueError):
    """A METADATA or WHEEL file that cannot be used; the message names the field and what is wrong with it."""


@dataclass(frozen=True)
class WheelMetadata:
    """What an installer reads from METADATA. `requires_python` is None where any Python will do."""

    name: NormalizedName
    version: Version
    requires_python: str | None


@dataclass(frozen=True)
class WheelInfo:
    """What the WHEEL file says. `build` is its build number with suffix, or None."""

    tags: frozenset[Tag]
    build: str | None


def parse_metadata(content: bytes) -> WheelMetadata:
    """Read METADATA. Raises `WheelTextError`."""
    names = _header_names(content, "METADATA")
    if b"content-type" in names:
        # The mail parser would take the description apart as a message with nested parts, recursively.
        raise WheelTextError("METADATA has a Content-Type header, which core metadata does not know")
    raw, unparsed = parse_email(content)
    for field in ("name", "version", "requires-python", "requires-dist"):
        if field in unparsed:
            raise WheelTextError(f"METADATA: {field} is repeated or not UTF-8")
    metadata = Metadata.from_raw(raw, validate=False)
    try:
        name, version = metadata.name, metadata.version
        requires_python: SpecifierSet | None = metadata.requires_python
        _ = metadata.requires_dist
    except InvalidMetadata as error:
        raise WheelTextError(f"METADATA: {error}") from None
    except RecursionError:
        raise WheelTextError("METADATA: a marker in Requires-Dist is nested too deeply") from None
    return WheelMetadata(canonicalize_name(name), version, str(requires_python or "") or None)


def parse_wheel_info(content: bytes) -> WheelInfo:
    """Read the WHEEL file. Raises `WheelTextError` for a format other than 1.x and for tags that are none."""
    _header_names(content, "WHEEL")
    headers = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(content, headersonly=True)
    version = str(headers.get("Wheel-Version", "")).strip()
    if not re.fullmatch(r"1\.[0-9]{1,5}", version):
        raise WheelTextError(f"WHEEL: Wheel-Version is {version!r}; 1.x was expected")
    tags: set[Tag] = set()
    for line in headers.get_all("Tag", []):
        try:
            tags |= parse_tag(str(line).strip())
        except ValueError:
            raise WheelTextError(f"WHEEL: Tag {str(line)!r} is no tag") from None
    build = headers.get("Build")
    return WheelInfo(frozenset(tags), None if build is None else str(build).strip())


def _header_names(content: bytes, where: str) -> set[bytes]:
    """Names of the headers, in lower case.

    The mail parser looks through all headers for each name, so thousands of names would take it hours: counted first.
    """
    names: set[bytes] = set()
    for number, line in enumerate(re.split(rb"\r\n|\r|\n", content)):
        if line.startswith(_FOLDED):
            continue
        header = _HEADER.match(line)
        if header is None and not (number == 0 and line.startswith(b"From ")):
            break
        if header is not None:
            names.add(header[1].lower())
        if number > _MOST_HEADERS or len(names) > _MOST_HEADER_NAMES:
            raise WheelTextError(f"{where} has more headers than any project needs")
    return names
