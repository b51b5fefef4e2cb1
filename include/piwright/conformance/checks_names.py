"""Checks of names and addresses: what the root lists is there, odd spellings lead to it, and nothing else is there."""

from collections import Counter
from collections.abc import Iterator
from urllib.parse import urldefrag, urlsplit

from packaging.utils import canonicalize_name

from piwright.conformance.check import RECOMMENDED, REQUIRED, Group, Seeing, bad, good, judge, nothing
from piwright.conformance.index import ASK_HTML, Index, Project, is_name
from piwright.conformance.web import absolute, origin

CHECKS = Group("names")

_API = "Simple repository API"
_UNKNOWN = "no-such-project-is-on-this-index-1404"
_NO_PROJECTS = "No project was sampled."


@CHECKS.check(
    "root-names",
    "The root lists valid names, each project once",
    f"{_API}, Project List; name format (PEP 503)",
    REQUIRED,
    "List each project once; two spellings of a name are one project.",
)
async def root_names(index: Index) -> Seeing:
    for names in _root_names(index):
        counts = Counter(canonicalize_name(name) for name in names)
        doubles = [name for name, count in counts.items() if count > 1]
        yield judge(not doubles, index.url, f"listed more than once: {', '.join(doubles[:5])}")
        wrong = [name for name in names if not is_name(name)]
        yield judge(not wrong, index.url, f"no valid name: {', '.join(map(repr, wrong[:5]))}")


def _root_names(index: Index) -> Iterator[list[str]]:
    if index.root.html is not None:
        yield [anchor.text for anchor in index.root.html.document.anchors]
    if index.root.json is not None and isinstance(index.root.json.data.get("projects"), list):
        yield [str(each.get("name")) for each in index.root.json.data["projects"] if isinstance(each, dict)]


@CHECKS.check(
    "root-links",
    "Every anchor of the root leads to the address of its project",
    f"{_API}, HTML Serialization, Project List (PEP 503)",
    REQUIRED,
    "Link each project to NORMALISED-NAME/, below the root.",
)
async def root_links(index: Index) -> Seeing:
    if index.root.html is None:
        yield nothing("The root has no HTML.")
        return
    base = index.root.html.document.base
    for anchor in index.root.html.document.anchors:
        url = absolute(
            absolute(index.url, base) if base else index.url, urldefrag(anchor.attributes.get("href", "")).url
        )
        # An index may be reached under several host names, of which its pages know one: the path is what counts.
        expected = urlsplit(index.project_url(canonicalize_name(anchor.text))).path
        yield judge(
            urlsplit(url).path == expected,
            index.url,
            f"{anchor.text!r} leads to {url or anchor.attributes.get('href')!r}",
        )


@CHECKS.check(
    "root-projects",
    "Every project that the root lists has a page",
    f"{_API}, Base API",
    REQUIRED,
    "Publish the page before the root lists it, and take it off the root before the page goes.",
)
async def root_projects(index: Index) -> Seeing:
    for name, status in index.not_found:
        yield bad(index.project_url(name), f"{name} has no page: status {status}")
    for name in index.elsewhere:
        yield good(index.project_url(name))
    for project in index.projects:
        yield good(project.url)
    yield nothing(_NO_PROJECTS)


@CHECKS.check(
    "redirect-slash",
    "An address without its slash at the end is redirected to the one with it",
    f"{_API}, HTML Serialization, Project Detail (PEP 503)",
    RECOMMENDED,
    "Answer 301 with the address that ends in a slash.",
)
async def redirect_slash(index: Index) -> Seeing:
    for url in (index.url, *(project.url for project in index.projects[:2])):
        if urlsplit(url).path == "/":
            continue  # the root of a server has no address without a slash
        answer = await index.web.get(url.rstrip("/"), accept=ASK_HTML, limit=index.web.bounds.root_bytes)
        found = f"status {answer.status}, to {answer.location!r}"
        yield judge(answer.location == url, url.rstrip("/"), found)


def _odd_spelling(project: Project) -> str:
    """Another spelling of a name: capitals, and other separators than hyphens."""
    name = project.name.upper()
    return name.replace("-", "_.", 1)


@CHECKS.check(
    "redirect-names",
    "Another spelling of a name is redirected to the normalised one",
    f"{_API}, HTML Serialization, Project Detail (PEP 503: may)",
    RECOMMENDED,
    "Answer 301 with the address of the normalised name.",
)
async def redirect_names(index: Index) -> Seeing:
    for project in index.projects[:5]:
        odd = _odd_spelling(project)
        if odd == project.name:
            continue
        answer = await index.web.get(index.project_url(odd), accept=ASK_HTML)
        found = f"status {answer.status}, to {answer.location!r}"
        yield judge(answer.location == project.url, index.project_url(odd), found)
    yield nothing("No sampled project has another spelling.")


@CHECKS.check(
    "redirect-truth",
    "Where another spelling leads to a page, it is the project's own",
    f"{_API}, Normalized Names (PEP 503)",
    REQUIRED,
    "Normalise the name before looking it up.",
)
async def redirect_truth(index: Index) -> Seeing:
    for project in index.projects[:5]:
        url = index.project_url(_odd_spelling(project))
        answer = await index.web.follow(url, accept=ASK_HTML)
        if answer.status == 200:
            same = answer.content == project.html_answer.content
            yield judge(same, url, f"another page than {project.url} has")
    yield nothing("Other spellings lead to no page.")


@CHECKS.check(
    "unknown-project",
    "A project that is not there is not found, for every format asked for",
    "RFC 9110, 15.5.5",
    REQUIRED,
    "Answer 404, or redirect to the index that may have it: an empty page would end the search of a client.",
)
async def unknown_project(index: Index) -> Seeing:
    url = index.project_url(_UNKNOWN)
    for accept in (ASK_HTML, "application/vnd.pypi.simple.v1+json"):
        answer = await index.web.follow(url, accept=accept)
        if answer.location and origin(answer.location) != origin(index.url):
            yield good(url)
        else:
            yield judge(answer.status in (404, 410), url, f"status {answer.status}")
