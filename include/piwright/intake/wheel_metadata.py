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
import math
import re
from dataclasses import dataclass

from packaging.metadata import InvalidMetadata, Metadata, RawMetadata, parse_email
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, parse_tag
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from piwright.intake.untrusted import clean_text

_MOST_HEADERS = 20_000
_MOST_HEADER_NAMES = 200
_HEADER = re.compile(rb"([!-9;-~]+):")
_FOLDED = (b" ", b"\t")
_SKIPPED = (b":", b"From ")  # lines among headers that the mail parser passes over, where another reader might stop
_LONGEST = {"name": 300, "version": 300, "requires-python": 1000, "requires-dist": 4000}
"""Characters of what is parsed further: some of it takes time that grows with the square of the length."""
_MOST_REQUIREMENTS = 512 << 10
"""Characters of all Requires-Dist together; the largest projects have a fifth of it."""
_MOST_TAGS = 500
_LONGEST_SUMMARY = 512
_ONLY_ONCE = ("Wheel-Version", "Root-Is-Purelib", "Build")


class WheelTextError(ValueError):
    """A METADATA or WHEEL file that cannot be used; the message names the field and what is wrong with it."""


@dataclass(frozen=True)
class WheelMetadata:
    """What an installer reads from METADATA, and what people do.

    `requires_python` is None where any Python will do; `summary` is one line, cut where it is long, "" if there is none.
    """

    name: NormalizedName
    version: Version
    requires_python: str | None
    summary: str = ""


@dataclass(frozen=True)
class WheelInfo:
    """What the WHEEL file says. `build` is its build number with suffix, or None."""

    tags: frozenset[Tag]
    build: str | None


def parse_metadata(content: bytes) -> WheelMetadata:
    """Read METADATA. Raises `WheelTextError`."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        # Pip refuses such a wheel, and `importlib.metadata` fails in the environment of whoever has it.
        raise WheelTextError(f"METADATA is not UTF-8: byte {error.start} is {content[error.start]:#04x}") from None
    names = _header_names(content, "METADATA")
    if names & {b"content-type", b"content-transfer-encoding"}:
        # The mail parser would take the description apart as a message with nested parts, recursively, or decode it.
        raise WheelTextError("METADATA has a Content-Type header or the like, which core metadata does not know")
    raw, unparsed = parse_email(content)
    for field in ("metadata-version", "name", "version", "requires-python", "requires-dist"):
        if field in unparsed:
            raise WheelTextError(f"METADATA: {field} is repeated or cannot be read")
    _judge_lengths(raw)
    # Core metadata: a tool must fail if the first number is greater than it knows.
    metadata_version = str(raw.get("metadata_version", "1.0"))
    if not re.fullmatch(r"[12]\.[0-9]{1,3}", metadata_version):
        raise WheelTextError(f"METADATA: Metadata-Version is {metadata_version[:100]!r}; 1.x or 2.x was expected")
    metadata = Metadata.from_raw(raw, validate=False)
    try:
        name, version = metadata.name, metadata.version
        requires_python: SpecifierSet | None = metadata.requires_python
        _ = metadata.requires_dist
    except InvalidMetadata as error:
        raise WheelTextError(f"METADATA: {error}") from None
    except RecursionError:
        raise WheelTextError("METADATA: a marker in Requires-Dist is nested too deeply") from None
    summary = clean_text(str(raw.get("summary", "")), _LONGEST_SUMMARY)
    if summary == "UNKNOWN":  # what setuptools once wrote where there was none
        summary = ""
    return WheelMetadata(canonicalize_name(name), version, str(requires_python or "") or None, summary)


def _judge_lengths(raw: RawMetadata) -> None:
    for field, longest in _LONGEST.items():
        found = raw.get(field.replace("-", "_"), "")
        for value in [found] if isinstance(found, str) else found:  # type: ignore[attr-defined]
            if len(value) > longest:
                raise WheelTextError(f"METADATA: {field} has {len(value)} characters; at most {longest} are accepted")
    requirements = sum(map(len, raw.get("requires_dist", [])))
    if requirements > _MOST_REQUIREMENTS:
        reason = f"has {requirements} characters in all; at most {_MOST_REQUIREMENTS} are accepted"
        raise WheelTextError(f"METADATA: requires-dist {reason}")


def parse_wheel_info(content: bytes) -> WheelInfo:
    """Read the WHEEL file. Raises `WheelTextError` for a format other than 1.x and for tags that are none."""
    _header_names(content, "WHEEL")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        raise WheelTextError("WHEEL is not UTF-8") from None
    headers = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(content, headersonly=True)
    version = str(headers.get("Wheel-Version", "")).strip()
    if not re.fullmatch(r"1\.[0-9]{1,5}", version):
        raise WheelTextError(f"WHEEL: Wheel-Version is {version!r}; 1.x was expected")
    for name in _ONLY_ONCE:
        if len(headers.get_all(name, [])) > 1:
            raise WheelTextError(f"WHEEL: {name} is repeated")
    tags: set[Tag] = set()
    for line in headers.get_all("Tag", []):
        tags |= _parse_tag(str(line).strip())
        if len(tags) > _MOST_TAGS:
            raise WheelTextError(f"WHEEL lists more than {_MOST_TAGS} tags")
    build = headers.get("Build")
    return WheelInfo(frozenset(tags), None if build is None else str(build).strip())


def _parse_tag(text: str) -> frozenset[Tag]:
    # A few kilobytes with dots stand for more combinations than there is memory.
    if math.prod(part.count(".") + 1 for part in text.split("-")) > _MOST_TAGS:
        raise WheelTextError(f"WHEEL: Tag {text[:100]!r} stands for more than {_MOST_TAGS} tags")
    try:
        return parse_tag(text)
    except ValueError:
        raise WheelTextError(f"WHEEL: Tag {text[:100]!r} is no tag") from None


def _header_names(content: bytes, where: str) -> set[bytes]:
    """Names of the headers, in lower case, as the mail parser finds them.

    The mail parser looks through all headers for each name, so thousands of names would take it hours: counted first.
    """
    names: set[bytes] = set()
    for number, line in enumerate(re.split(rb"\r\n|\r|\n", content)):
        if line.startswith(_FOLDED):
            continue
        header = _HEADER.match(line)
        if header is None and not line.startswith(_SKIPPED):
            break
        if header is not None:
            names.add(header[1].lower())
        if number > _MOST_HEADERS or len(names) > _MOST_HEADER_NAMES:
            raise WheelTextError(f"{where} has more headers than any project needs")
    return names
