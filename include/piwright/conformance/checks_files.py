"""Checks of the files themselves: they are there, their bytes are those the page promises, their metadata is their own."""

from collections.abc import AsyncIterator

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from piwright.conformance.check import RECOMMENDED, REQUIRED, Group, Seeing, Seen, Verdict, bad, judge, nothing
from piwright.conformance.fetched import LARGEST_METADATA, Fetched, digest, is_algorithm, requires_python
from piwright.conformance.index import Index, Sampled, is_odd
from piwright.conformance.web import Answer, NoAnswer, TooLarge

CHECKS = Group("files")

_METADATA = "Simple repository API, Serve Distribution Metadata (PEP 658)"
_NO_FILES = "No sampled project has files."
_NO_METADATA = "No sampled file has metadata beside it."


@CHECKS.check(
    "file-reachable",
    "Every listed file can be fetched",
    "Simple repository API, Project Detail (PEP 503)",
    REQUIRED,
    "Publish the file before the page that lists it.",
)
async def file_reachable(index: Index) -> Seeing:
    for each in index.sampled:
        yield await _reached(index, each)
    yield nothing(_NO_FILES)


async def _reached(index: Index, each: Sampled) -> Seen:
    try:
        fetched = await index.fetch(each)
    except TooLarge as error:
        return nothing(f"{each.file.filename} {error.why}: not looked at")
    except NoAnswer as error:
        return Seen(Verdict.ERROR, error.url, error.why)
    return judge(fetched.status == 200, each.file.url, f"status {fetched.status}")


@CHECKS.check(
    "odd-versions",
    "Files with an epoch, a local part, a pre-, post- or dev-release can be fetched",
    "Version specifiers (PEP 440); RFC 3986, 2",
    REQUIRED,
    "Percent-encode `+` and `!` in addresses once, and decode them once; a plus is no space in a path.",
)
async def odd_versions(index: Index) -> Seeing:
    for each in index.sampled:
        if is_odd(each):
            yield await _reached(index, each)
    yield nothing("No sampled file has such a version.")


@CHECKS.check(
    "file-hash",
    "The bytes of a file have the hashes that the page promises",
    "Simple repository API, Project Detail (PEP 503, 691)",
    REQUIRED,
    "Never change a file under its address: a rebuilt one takes a build number.",
)
async def file_hash(index: Index) -> Seeing:
    async for each, fetched in index.files():
        for algorithm, found in fetched.digests.items():
            promised = each.file.hashes[algorithm]
            text = f"{algorithm} is {found}, the page says {promised}"
            yield judge(found == promised.lower(), each.file.url, text)
    yield nothing("No sampled file has a hash.")


@CHECKS.check(
    "file-size",
    "A file has the size that the page promises",
    "Simple repository API, JSON Serialization, Project Detail (PEP 700)",
    REQUIRED,
    "Take the size of the file as it is served.",
)
async def file_size(index: Index) -> Seeing:
    async for each, fetched in index.files():
        size = each.file.said.get("size")
        if isinstance(size, int):
            yield judge(fetched.size == size, each.file.url, f"{fetched.size:,} bytes, the page says {size:,}")
    yield nothing("No sampled file has a size on its page.")


@CHECKS.check(
    "file-plain",
    "Files come as they are, not packed once more",
    "RFC 9110, 8.4; what pip asks for",
    RECOMMENDED,
    "Send no Content-Encoding with wheels and sdists.",
)
async def file_plain(index: Index) -> Seeing:
    for each in index.sampled[:3]:
        answer = await index.web.follow(
            each.file.url, stay=False, encoding="gzip, deflate", limit=index.web.bounds.file_bytes
        )
        if answer.status == 200:
            yield judge(not answer.coding, each.file.url, f"Content-Encoding {answer.coding}")
    yield nothing(_NO_FILES)


@CHECKS.check(
    "metadata-offered",
    "Wheels have their metadata beside them, with its hash",
    f"{_METADATA}; PEP 714",
    RECOMMENDED,
    "Serve WHEEL.metadata and announce its sha256: without it resolving means fetching wheels.",
)
async def metadata_offered(index: Index) -> Seeing:
    for project in index.projects:
        for file in project.listed:
            if file.is_wheel:
                offered = isinstance(file.metadata, dict) and any(is_algorithm(each) for each in file.metadata)
                yield judge(offered, project.url, f"{file.filename}: core metadata {file.metadata!r}")
    yield nothing("No sampled project has a wheel.")


async def _metadata(index: Index) -> AsyncIterator[tuple[Sampled, Answer]]:
    """The `.metadata` of each sampled file that has one, whatever its address answers."""
    for each in index.sampled:
        if each.file.metadata:
            url = f"{each.file.url}.metadata"
            yield each, await index.web.follow(url, stay=False, limit=LARGEST_METADATA)


@CHECKS.check(
    "metadata-reachable",
    "Metadata that is announced can be fetched",
    _METADATA,
    REQUIRED,
    "Serve it at the file's address with .metadata after it.",
)
async def metadata_reachable(index: Index) -> Seeing:
    async for _, answer in _metadata(index):
        yield judge(answer.status == 200, answer.url, f"status {answer.status}")
    yield nothing(_NO_METADATA)


@CHECKS.check(
    "metadata-hash",
    "Metadata has the hash that the page promises",
    _METADATA,
    REQUIRED,
    "Hash the bytes that are served.",
)
async def metadata_hash(index: Index) -> Seeing:
    async for each, answer in _metadata(index):
        promised = each.file.metadata if isinstance(each.file.metadata, dict) else {}
        for algorithm, value in promised.items():
            if answer.status == 200 and is_algorithm(algorithm):
                found = digest(algorithm, answer.content)
                yield judge(found == value.lower(), answer.url, f"{algorithm} is {found}, the page says {value}")
    yield nothing("No sampled file has a hash of its metadata.")


@CHECKS.check(
    "metadata-is-member",
    "Metadata beside a wheel is the wheel's own, byte for byte",
    f"{_METADATA}; pip 26.2 refuses others",
    REQUIRED,
    "Copy the member DIST-INFO/METADATA out of the wheel; change nothing in it.",
)
async def metadata_is_member(index: Index) -> Seeing:
    members = {each.file.url: fetched async for each, fetched in index.files()}
    async for each, answer in _metadata(index):
        if answer.status == 200 and each.file.is_wheel and each.file.url in members:
            yield _compared(answer, members[each.file.url])
    yield nothing(_NO_METADATA)


def _compared(answer: Answer, fetched: Fetched) -> Seen:
    if fetched.member is None:
        return bad(answer.url, fetched.problem)
    found = f"{len(answer.content):,} bytes are served, the wheel has other {len(fetched.member):,}"
    return judge(answer.content == fetched.member, answer.url, found)


@CHECKS.check(
    "requires-python-told",
    "Pages have the Requires-Python of the wheels that have one",
    "Simple repository API, Project Detail (PEP 503); core metadata, Requires-Python",
    RECOMMENDED,
    "Copy it from the wheel's METADATA: without it pip takes releases that cannot run.",
)
async def requires_python_told(index: Index) -> Seeing:
    async for each, fetched in index.files():
        if fetched.member is not None and (own := requires_python(fetched.member)) is not None:
            told = each.file.requires_python is not None
            yield judge(
                told, each.project.url, f"{each.file.filename}: its METADATA requires {own!r}, the page nothing"
            )
    yield nothing("No sampled wheel requires a version of Python.")


@CHECKS.check(
    "requires-python-true",
    "What pages say of Requires-Python is what the wheels say",
    "Simple repository API, Project Detail (PEP 503): exposes the field of the core metadata",
    REQUIRED,
    "Copy it from the wheel's METADATA.",
)
async def requires_python_true(index: Index) -> Seeing:
    async for each, fetched in index.files():
        said = each.file.requires_python
        if fetched.member is not None and said is not None:
            own = requires_python(fetched.member)
            text = f"{each.file.filename}: the page says {said!r}, its METADATA {own!r}"
            yield judge(own is not None and _same_specifier(said, own), each.project.url, text)
    yield nothing("No sampled wheel requires a version of Python.")


def _same_specifier(one: str, other: str) -> bool:
    try:
        return SpecifierSet(one) == SpecifierSet(other)
    except InvalidSpecifier:
        return one == other
