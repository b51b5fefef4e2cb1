"""The wire format of a project's simple JSON page, and errors that say where it was broken.

    raw = decode_page(body)           # RawPage; its files are still JSON
    decode_file(raw.files[0], "files[0]")

Field names and their history: https://packaging.python.org/specifications/simple-repository-api/
"""

import re
from typing import Any, TypeVar

import msgspec

Decoded = TypeVar("Decoded")
_MISSING = "<missing>"


class PageError(ValueError):
    """A page that cannot be used.

    `field` is the path of what is wrong, `value` what is there (in angle brackets when it is only described),
    `expected` says what should be.
    """

    def __init__(self, field: str, value: Any, expected: str) -> None:
        shown = value if isinstance(value, str) and value.startswith("<") else repr(value)
        super().__init__(f"{field} is {shown[:160]}, expected {expected}")
        self.field, self.value, self.expected = field, value, expected


class Meta(msgspec.Struct):
    """`meta`: the API version, and the serial of the index's last change to the project."""

    api_version: str = msgspec.field(name="api-version")
    last_serial: int | str | None = msgspec.field(name="_last-serial", default=None)


class Head(msgspec.Struct):
    """What has to be understood before the rest is looked at: another major version may mean anything by it."""

    meta: Meta


class RawStatus(msgspec.Struct):
    """`project-status`, since API 1.4."""

    status: str = "active"
    reason: str | None = None


class RawPage(msgspec.Struct):
    """A page whose files are not looked into yet, so that one bad file does not spoil it. `versions` since API 1.1."""

    name: str
    files: list[msgspec.Raw]
    versions: list[str] | None = None
    project_status: RawStatus | None = msgspec.field(name="project-status", default=None)


Metadata = bool | dict[str, str] | None


class RawFile(msgspec.Struct):
    """An entry of `files`. Mirrors send null for what they do not know, so every optional field may be null."""

    filename: str
    url: str
    hashes: dict[str, str]
    size: int | None = None
    upload_time: str | None = msgspec.field(name="upload-time", default=None)
    requires_python: str | None = msgspec.field(name="requires-python", default=None)
    yanked: bool | str | None = None
    core_metadata: Metadata = msgspec.field(name="core-metadata", default=None)
    # Names of the same thing from before it was settled; upstream still sends them.
    dist_info_metadata: Metadata = msgspec.field(name="dist-info-metadata", default=None)
    data_dist_info_metadata: Metadata = msgspec.field(name="data-dist-info-metadata", default=None)
    provenance: str | None = None


_head = msgspec.json.Decoder(Head)
_page = msgspec.json.Decoder(RawPage)
_file = msgspec.json.Decoder(RawFile)


def decode_meta(body: bytes) -> Meta:
    """The `meta` of a page, whatever else is in it. Raises `PageError`."""
    return _decode(_head, body).meta


def decode_page(body: bytes) -> RawPage:
    """A page without a look into its files. Raises `PageError`."""
    return _decode(_page, body)


def decode_file(entry: msgspec.Raw, field: str) -> RawFile:
    """One entry of `files`; `field` is its path, for the error. Raises `PageError`."""
    return _decode(_file, bytes(entry), field)


def _decode(decoder: msgspec.json.Decoder[Decoded], body: bytes, inside: str = "") -> Decoded:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _explained(body, str(error), inside) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PageError(inside or "the page", f"<{len(body)} bytes>", f"JSON ({error})") from error


def _explained(body: bytes, message: str, inside: str) -> PageError:
    # msgspec says "Expected `str`, got `int` - at `$.files[0].url`"; a person also wants to see the value.
    text, _, path = message.partition(" - at `$")
    path = path.removesuffix("`")
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        value = "<not even JSON>"  # msgspec stops at the first thing that is wrong, and more can be wrong behind it
    for key, index in re.findall(r"\.([^.\[]+)|\[([^\]]+)\]", path):
        if key and isinstance(value, dict):
            value = value.get(key)
        elif index.isdigit() and isinstance(value, list):
            value = value[int(index)]
    missing = re.search(r"missing required field `(.+)`", text)
    if missing:
        return PageError(f"{inside}{path}.{missing[1]}".lstrip("."), _MISSING, "to be there")
    return PageError((inside + path).lstrip(".") or "the page", value, text.removeprefix("Expected ").replace("`", ""))
