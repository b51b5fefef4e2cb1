"""What may never happen, whatever a worker sends: used by every fuzzer.

    judge_wheel(content, directory)     # True if it was accepted; AssertionError for what may never happen
    judge_result(content), judge_facts(content)

A wheel ends accepted or rejected with reasons that can be shown. One that is accepted has the same members with the same
content for everybody: for `zipfile`, for a reader that goes along the stream and knows no central directory (as uv does
while it downloads), for `installer` and for pip; and installing it writes nothing outside of the environment.
"""

import configparser
import email
import importlib.metadata
import io
import shutil
import stat
import struct
import tempfile
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.sources import WheelFile
from packaging.utils import canonicalize_name
from packaging.version import Version
from pip._internal.models.scheme import Scheme
from pip._internal.operations.install.wheel import install_wheel

from intake.hostile_results import BUILD, NOW
from intake.hostile_wheels import DIST_INFO, TAG
from piwright.intake.limits import Limits
from piwright.intake.result import ResultError, parse_result
from piwright.intake.wheel_archive import open_archive
from piwright.intake.wheel_check import CheckedWheel, Wanted, WheelRejected, check_wheel
from piwright.intake.worker_facts import MOST_BYTES, read_facts
from piwright.worker import ProtocolError

WANTED = Wanted("spidev", "3.6", (TAG, "py3-none-any"), "armv7l")
LIMITS = Limits(wheel_bytes=1 << 20, unpacked_bytes=16 << 20, ratio_free_bytes=1 << 20, members=2000)
_SCHEMES = ("purelib", "platlib", "headers", "scripts", "data")


def judge_wheel(content: bytes, directory: Path) -> bool:
    """Check a file as a wheel of spidev 3.6 in an empty directory; compare readers if it is accepted."""
    path = directory / f"spidev-3.6-{TAG}.whl"
    path.write_bytes(content)
    try:
        checked = check_wheel(path, WANTED, LIMITS)
    except WheelRejected as rejected:
        _judge_words(*rejected.reasons, longest=2000)
        return False
    with open_archive(path, LIMITS) as archive:
        members = {name: b"".join(archive.chunks(name)) for name in archive.members}
    assert _by_zipfile(path) == members
    assert _along_the_stream(content) == members
    _judge_metadata(members[f"{DIST_INFO}/METADATA"], checked)
    trees = [_installed(tool, path, directory / name) for name, tool in (("by_installer", _install), ("by_pip", _pip))]
    for tree in filter(None, trees):
        for name, data in members.items():
            if not name.startswith((f"{DIST_INFO}/RECORD", "spidev-3.6.data/")) and "__pycache__/" not in name:
                assert tree[f"lib/{name}"] == data, name
    assert None in trees or _files_of(trees[0]) == _files_of(trees[1])
    return True


def _judge_words(*reasons: str, longest: int) -> None:
    """A refusal says something, and nothing that a page or a terminal cannot show."""
    assert reasons
    for reason in reasons:
        assert 0 < len(reason) <= longest
        assert reason.isprintable(), reason
        assert tempfile.gettempdir() not in reason, reason


def _by_zipfile(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}


def _along_the_stream(content: bytes) -> dict[str, bytes]:
    """Members by their local headers alone."""
    found: dict[str, bytes] = {}
    stream = io.BytesIO(content)
    while (raw := stream.read(30))[:4] == b"PK\x03\x04":
        flags, method, crc, packed, size, name_length, extra_length = struct.unpack("<6x2H4x3L2H", raw)
        name = stream.read(name_length).decode("utf-8")
        extra = stream.read(extra_length)
        wide = extra[4:20] if extra.startswith(b"\1\0\20\0") else b""
        if wide and packed == size == 0xFFFFFFFF:
            size, packed = struct.unpack("<2Q", wide)
        if flags & 0x8 and not packed:
            inflater = zlib.decompressobj(-15)
            data = inflater.decompress(content[stream.tell() :])
            stream.seek(len(content) - len(inflater.unused_data))
        else:
            data = stream.read(packed)
            data = zlib.decompress(data, -15) if method == zipfile.ZIP_DEFLATED else data
        if flags & 0x8:
            mark, crc, _, size = (
                struct.unpack("<4sL2Q", stream.read(24)) if wide else struct.unpack("<4s3L", stream.read(16))
            )
            assert mark == b"PK\x07\x08"
        assert (zlib.crc32(data), len(data)) == (crc, size)
        assert name not in found
        found[name] = data
    assert raw[:4] == b"PK\x01\x02"
    return {name: data for name, data in found.items() if not name.endswith("/")}


def _judge_metadata(metadata: bytes, checked: CheckedWheel) -> None:
    assert checked.metadata == metadata
    headers = email.message_from_bytes(metadata)
    assert [canonicalize_name(name) for name in headers.get_all("Name", [])] == ["spidev"]
    assert [Version(version) for version in headers.get_all("Version", [])] == [Version("3.6")]
    assert len(checked.requires_python or "") <= 2000


def _installed(tool: Any, path: Path, outside: Path) -> dict[str, bytes] | None:
    """What a tool installs, by path in the environment. Everything there is a plain file, and there is nothing else.

    Nothing if the tool does not understand entry_points.txt: then nobody has anything of it.
    """
    outside.mkdir()
    environment = outside / "a" / "b" / "environment"
    places = {scheme: str(environment / ("lib" if scheme.endswith("lib") else scheme)) for scheme in _SCHEMES}
    understood = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                tool(path, places)
            except configparser.Error:
                understood = False
        tree = {}
        for each in outside.rglob("*"):
            mode = each.lstat().st_mode
            assert environment.is_relative_to(each) or each.is_relative_to(environment), each
            assert stat.S_ISDIR(mode) or (stat.S_ISREG(mode) and not mode & 0o7000), (each, mode)
            if stat.S_ISREG(mode):
                tree[str(each.relative_to(environment))] = each.read_bytes()
        if not understood:
            return None
        distributions = list(importlib.metadata.distributions(path=[places["purelib"]]))
        assert [canonicalize_name(each.metadata["Name"]) for each in distributions] == ["spidev"]
        assert [Version(each.version) for each in distributions] == [Version("3.6")]
        assert all(each.name and each.group for each in distributions[0].entry_points)
        return tree
    finally:
        shutil.rmtree(outside)


def _install(path: Path, places: dict[str, str]) -> None:
    destination = SchemeDictionaryDestination(places, interpreter="/usr/bin/python3", script_kind="posix")
    with WheelFile.open(path) as source:
        source.validate_record()
        install(source, destination, {})


def _pip(path: Path, places: dict[str, str]) -> None:
    install_wheel("spidev", str(path), Scheme(**places), "spidev", pycompile=False, warn_script_location=False)


def _files_of(tree: dict[str, bytes]) -> dict[str, bytes | None]:
    """Files and contents, but for what each tool writes in its own way: scripts, RECORD, its name."""
    left_out = tuple(f"lib/{DIST_INFO}/{name}" for name in ("RECORD", "INSTALLER"))
    return {
        name: None if name.startswith("scripts/") else data
        for name, data in tree.items()
        if not name.startswith(left_out) and "__pycache__/" not in name
    }


def judge_result(content: bytes) -> bool:
    """Read a result.json; True if it was taken."""
    try:
        result = parse_result(content, BUILD, NOW)
    except ResultError as error:
        _judge_words(str(error), longest=500)
        return False
    assert result.started <= result.finished
    assert len(result.phases) <= 256
    for text in (result.failure and result.failure.message, result.smoke and result.smoke.detail):
        assert text is None or (text.isprintable() and len(text) <= 1000)
    return True


def judge_facts(content: bytes) -> bool:
    """Read an answer to `probe`; True if it was taken."""
    try:
        facts = read_facts(content)
    except ProtocolError as error:
        _judge_words(str(error), longest=2500)
        return False
    assert len(facts.libraries) <= 5000
    assert all("/" not in name and "\n" not in name and len(name) < 250 for name in (*facts.libraries, *facts.apt))
    assert facts.kernel.isprintable()
    assert len(content) <= MOST_BYTES
    return True
