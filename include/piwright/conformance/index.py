"""The index as the checks see it: its root, a sample of its projects, a sample of their files, all asked for once.

index = await open_index(web, url, names=(), sample=10)
index.projects[0].html, index.projects[0].json
await index.fetch(index.sampled[0])      # what is in a file
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

from packaging.utils import canonicalize_name

from piwright.conformance.fetched import Fetched, take_apart
from piwright.conformance.pages import (
    HTML_TYPE,
    HTML_TYPES,
    JSON_TYPE,
    OLD_HTML_TYPE,
    HtmlPage,
    JsonPage,
    Listed,
    Unreadable,
    name_and_version,
    read_html,
    read_json,
)
from piwright.conformance.web import Answer, NoAnswer, OutOfTime, Web, origin

ASK_HTML = f"{HTML_TYPE}, {OLD_HTML_TYPE};q=0.9"
ASK_JSON = JSON_TYPE
_FILES_OF_A_KIND = 3
_TRIES_FOR_EACH = 4
_SMALL_PAGE = 1 << 20
_SEED = 1404
"""The same index gets the same sample each time, so that two reports can be compared."""


@dataclass(frozen=True)
class Page:
    """One page in both formats: the answers, and what was read of them; `problem` says why JSON could not be read."""

    url: str
    html_answer: Answer
    json_answer: Answer
    html: HtmlPage | None
    json: JsonPage | None
    problem: str = ""

    @property
    def found(self) -> bool:
        """Whether the index has this page."""
        return self.html is not None or self.json is not None or bool(self.problem)


@dataclass(frozen=True)
class Project(Page):
    """A project's page; `name` is normalised."""

    name: str = ""

    @property
    def listed(self) -> tuple[Listed, ...]:
        """Its files as the format says them that says more."""
        return self.json.files if self.json is not None else self.html.files if self.html is not None else ()


@dataclass(frozen=True)
class Sampled:
    """A file that is fetched."""

    project: Project
    file: Listed


@dataclass(frozen=True)
class Unanswered:
    """A project whose page did not come, or not so that it could be read; `why` is a sentence."""

    name: str
    url: str
    why: str


@dataclass
class Index:
    """What the checks look at; `url` ends in a slash, `elsewhere` names projects that another server answers for,
    `not_found` has (name, status) of those that have no page, `unanswered` those of which that is not known."""

    web: Web
    url: str
    root: Page
    projects: tuple[Project, ...]
    elsewhere: tuple[str, ...]
    sampled: tuple[Sampled, ...]
    not_found: tuple[tuple[str, int], ...] = ()
    unanswered: tuple[Unanswered, ...] = ()
    _fetched: dict[str, Fetched | NoAnswer] = field(default_factory=dict)

    def project_url(self, name: str) -> str:
        return f"{self.url}{name}/"

    @property
    def pages(self) -> tuple[Page, ...]:
        """Root and projects."""
        return (self.root, *self.projects)

    @property
    def asked_pages(self) -> list[Page]:
        """The pages that are asked for many times: two of them, of moderate size where there are such."""
        small = [page for page in self.pages if len(page.html_answer.body) <= _SMALL_PAGE]
        return (small or list(self.pages))[:2]

    def listed(self) -> Iterator[tuple[Project, Listed]]:
        """Each file of the sampled projects, as each format says it."""
        for project in self.projects:
            for page in (project.html, project.json):
                for file in page.files if page is not None else ():
                    yield project, file

    async def fetch(self, sampled: Sampled) -> Fetched:
        """What a file's address answers, redirects followed; asked for once. Raises `NoAnswer`."""
        url = sampled.file.url
        if url not in self._fetched:
            self._fetched[url] = await self._fetch(sampled.file)
        fetched = self._fetched[url]
        if isinstance(fetched, NoAnswer):
            raise fetched
        return fetched

    async def _fetch(self, file: Listed) -> Fetched | NoAnswer:
        try:
            answer = await self.web.follow(file.url, stay=False, limit=self.web.bounds.file_bytes)
            return await asyncio.to_thread(take_apart, answer, file)
        except NoAnswer as error:
            return error

    async def files(self) -> AsyncIterator[tuple[Sampled, Fetched]]:
        """The files that could be fetched; what could not, the check `file-reachable` tells."""
        for each in self.sampled:
            try:
                fetched = await self.fetch(each)
            except NoAnswer:
                continue
            if fetched.status == 200:
                yield each, fetched


async def read_page(web: Web, url: str, limit: int) -> Page:
    """A page in both formats; another server's redirect is not followed."""
    html_answer = await web.follow(url, accept=ASK_HTML, limit=limit)
    json_answer = await web.follow(url, accept=ASK_JSON, limit=limit)
    html = json = None
    problem = ""
    # Whoever is asked for one format may send another one, so what counts is what came.
    for answer in (html_answer, json_answer):
        if answer.status != 200:
            continue
        if answer.media_type in HTML_TYPES and html is None:
            html = read_html(answer)
        elif answer.media_type == JSON_TYPE and json is None:
            try:
                json = read_json(answer)
            except Unreadable as error:
                problem = str(error)
    return Page(url, html_answer, json_answer, html, json, problem)


async def open_index(web: Web, url: str, names: Sequence[str], sample: int) -> Index:
    """Read root and sample; `names` are looked at instead of a sample.

    Raises `NoAnswer` when the root does not come, or the one project that is asked for.
    """
    root = await read_page(web, url, web.bounds.root_bytes)
    wanted = [str(canonicalize_name(name)) for name in names] or _shuffled(project_names(root))
    projects: list[Project] = []
    elsewhere: list[str] = []
    not_found: list[tuple[str, int]] = []
    unanswered: list[Unanswered] = []
    for name in wanted if names else wanted[: sample * _TRIES_FOR_EACH]:
        if not names and len(projects) + len(unanswered) == sample:
            break
        page_url = f"{url}{name}/"
        try:
            page = await read_page(web, page_url, web.bounds.page_bytes)
        except NoAnswer as error:
            if len(names) == 1:
                raise
            unanswered.append(Unanswered(name, page_url, error.why))
            if isinstance(error, OutOfTime):
                break  # so it is for all the others
            continue
        if page.found:
            projects.append(Project(**vars(page), name=name))
        elif page.html_answer.location:
            elsewhere.append(name)
        else:
            not_found.append((name, page.html_answer.status))
    sampled = choose_files(url, projects)
    return Index(
        web, url, root, tuple(projects), tuple(elsewhere), sampled, tuple(not_found), unanswered=tuple(unanswered)
    )


def project_names(root: Page) -> list[str]:
    """The normalised names of the projects that the root lists, each once."""
    names: list[str] = []
    if root.json is not None and isinstance(root.json.data.get("projects"), list):
        entries = root.json.data["projects"]
        names = [each["name"] for each in entries if isinstance(each, dict) and isinstance(each.get("name"), str)]
    elif root.html is not None:
        names = [anchor.text for anchor in root.html.document.anchors]
    # A name with other characters would be another address.
    return [name for name in dict.fromkeys(str(canonicalize_name(each)) for each in names) if is_name(name)]


def is_name(text: str) -> bool:
    """True for a valid project name, normalised or not."""
    plain = text.replace("-", "").replace("_", "").replace(".", "")
    return text.isascii() and plain.isalnum() and text[0].isalnum() and text[-1].isalnum() and len(text) <= 255


def _shuffled(names: list[str]) -> list[str]:
    random.Random(_SEED).shuffle(names)
    return names


def choose_files(url: str, projects: Sequence[Project]) -> tuple[Sampled, ...]:
    """The files to fetch: of each project a few with odd versions and a few others, small ones before large ones.

    An index that lists files of others beside its own is judged by its own.
    """
    here = origin(url)
    own_only = any(origin(file.url) == here for project in projects for file in project.listed)
    chosen: list[Sampled] = []
    for project in projects:
        kinds: dict[bool, list[Sampled]] = {True: [], False: []}
        for file in project.listed:
            if file.url and (not own_only or origin(file.url) == here):
                sampled = Sampled(project, file)
                kinds[is_odd(sampled)].append(sampled)
        for files in kinds.values():
            chosen += sorted(files, key=_interest)[:_FILES_OF_A_KIND]
    return tuple(chosen)


def _interest(sampled: Sampled) -> tuple[bool, bool, int, str]:
    """What to look at first: a file that says what it requires, one with metadata, a small one."""
    file = sampled.file
    size = file.said.get("size")
    return file.requires_python is None, not file.metadata, size if isinstance(size, int) else 0, file.filename


def is_odd(sampled: Sampled) -> bool:
    """True if its version has a part that indexes get wrong: an epoch, a local part, a pre-, post- or dev-release."""
    parsed = name_and_version(sampled.file.filename, sampled.project.name)
    if parsed is None:
        return False
    version = parsed[1]
    return bool(version.epoch or version.local or version.is_prerelease or version.is_postrelease)
