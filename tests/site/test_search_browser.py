"""The search in Chromium where it is crowded: what is there is found, what was not looked at is not denied, and Enter opens
what was typed.
"""

import itertools
import json
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Route, expect
from served_site import ServedSite

from piwright.index.storage import open_storage
from piwright.site.search_entries import Entry, State, make_entry, split_words
from piwright.site.search_index import write_all
from piwright.site.search_page import render_missing, render_search
from piwright.site.static_files import script_path, static_files
from support.browser import Browser, Page, axe

MANY = 20_000
"""Projects that have a word in their name, and another in their summary."""

MOST_REQUESTS = 60
"""Files that one search of these asks for."""

SITE = "https://wheels.example/shop"

ODD = (
    "Sensor\N{EN DASH}driver for fast\N{EM DASH}simple buses; it\N{RIGHT SINGLE QUOTATION MARK}s great",
    "5.4+ kernels, C++ and C#",
    "Zugriff über Straße, Łódź, Ærø, İstanbul, ﬁne ﬂow",
    "ＳＰＩＤＥＶ ① ½ ² K Å x\N{COMBINING ACUTE ACCENT}y e\N{COMBINING SEAGULL BELOW}f",
    "датчик 温度 مكتبة gpio ٣",
    "a\N{NO-BREAK SPACE}b\N{SOFT HYPHEN}c\N{ZERO WIDTH JOINER}d\N{REPLACEMENT CHARACTER}e_f\u1ac0g\u20e3h 😀i",
    "",
)


def made_up_words() -> Iterator[str]:
    """Words that are not English, each once."""
    syllables = ["".join(pair) for pair in itertools.product("bdfgklmnprstvz", "aeiou")]
    return ("".join(each) for each in itertools.product(syllables, repeat=3))


def crowd() -> Iterator[Entry]:
    words = made_up_words()
    for number in range(MANY):
        a, b, c = (next(words) for _ in range(3))
        summary = f"A reusable application of {a} and {b} for sites with {c}"
        yield make_entry(f"django-{b}-{number}", State.UPSTREAM, False, summary)
    for number in range(60):
        yield make_entry(f"lamp-{number}", State.OURS, True, "Blinks on a board")


FEW = (
    ("django", "The web framework"),
    ("django-zebrafish", "Stripes for pages"),
    ("quagga-pages", "Stripes with a django inside"),
    ("zz-unicorn", "Horn application"),  # after all that are read of “application”: its own summary says it
    ("fan5", "Controls the fan of a Raspberry Pi 5"),
    ("rpi-lgpio", "A compatibility shim for lgpio on 5.4+ kernels"),
    ("dashy", ODD[0]),
    ("cyril", "датчик температуры 温度"),
    ("spidev", "An SPI bus"),
    ("waits", "It waits"),
    ("waits-for-more", "It waits too"),
)


@pytest.fixture(scope="module")
def crowded_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The search over very many projects of one kind and a few others. For reading only."""
    tree = tmp_path_factory.mktemp("crowded") / "index"
    storage = open_storage(tree)
    few = [make_entry(name, State.WAITING, True, summary) for name, summary in FEW]
    write_all([crowd(), few], storage)
    pages = {f"project/{name}/index.html": f"<!doctype html><title>{name}</title>".encode() for name, _ in FEW}
    storage.write(
        {"search/index.html": render_search(SITE), "404.html": render_missing(SITE), **static_files(), **pages}
    )
    return tree


@pytest.fixture(scope="module")
def crowded(crowded_tree: Path) -> Iterator[str]:
    with ServedSite(crowded_tree, prefix="/shop") as site:
        yield site.url


def found(page: Page, site: str, text: str) -> tuple[str, list[str]]:
    """What the page says of a search, and the names it lists."""
    page.open(f"{site}/search/?q={quote(text)}")
    expect(page.tab.locator("#said")).not_to_have_text("")
    return page.tab.locator("#said").inner_text(), page.tab.locator("#results a").all_inner_texts()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("zebrafish", ["django-zebrafish"]),
        ("django zebrafish", ["django-zebrafish"]),
        ("zebrafish django", ["django-zebrafish"]),
        ("zebraf djan", ["django-zebrafish"]),
        ("stripes django", ["django-zebrafish", "quagga-pages"]),
        ("django stripes pages", ["django-zebrafish", "quagga-pages"]),
        ("stripes", ["django-zebrafish", "quagga-pages"]),
        ("horn application", ["zz-unicorn"]),
        ("applic horn", ["zz-unicorn"]),
        ("raspberry pi 5", ["fan5"]),
        ("5.4+ kernels", ["rpi-lgpio"]),
        ("sensor driver", ["dashy"]),
        ("simple", ["dashy"]),
        ("датчик rpi", ["rpi-lgpio"]),
    ],
)
def test_a_project_is_found_by_each_of_its_words_beside_those_that_very_many_have(
    browser: Browser, crowded: str, text: str, names: list[str]
) -> None:
    with browser.page() as page:
        said, listed = found(page, crowded, text)
        assert sorted(listed) == names
        assert said == f"{len(names)} project{'s' if len(names) > 1 else ''}."
        assert page.complaints == []


def test_what_was_not_looked_at_is_not_denied(browser: Browser, crowded: str) -> None:
    with browser.page() as page:
        # Both words are in the summaries of very many, and no files that are read have one that begins with another.
        said, listed = found(page, crowded, "sites djangoes")
        assert said.startswith("Nothing is called “sites djangoes”")  # nobody has the second: that is known
        said, listed = found(page, crowded, "board sites django")
        assert said.startswith("Nothing is called")  # those that have the first are known, and so are their summaries
        said, listed = found(page, crowded, "application django")
        assert len(listed) == 30
        assert said.startswith("30 of at least ")
        assert "fit best" not in said
        assert "too many have “application” or “django” to look at all of them" in said
        assert page.complaints == []


def test_if_nothing_is_among_what_was_looked_at_the_page_asks_for_another_word(
    browser: Browser, tmp_path: Path
) -> None:
    # No name with either word is at the beginning of both lists; two thousand names have the third.
    words = made_up_words()
    entries = [Entry(f"a{next(words)}", State.UPSTREAM, False, "Alpha things") for _ in range(MANY)]
    entries += [
        Entry(f"z{next(words)}", State.UPSTREAM, False, "Omega rarity" if number % 10 == 0 else "Omega things")
        for number in range(MANY)
    ]
    entries += [Entry("zz-both", State.UPSTREAM, False, "Omega and alpha things")]
    storage = open_storage(tmp_path)
    write_all([entries], storage)
    storage.write({"search/index.html": render_search(SITE), **static_files()})
    with ServedSite(tmp_path) as site, browser.page() as page:
        said, listed = found(page, site.url, "alpha omega")
        assert listed == []
        assert said == (
            "Too many projects have “alpha” or “omega” to look at all of them, and none that was looked at fits. "
            "Give another word, or the beginning of the name."
        )
        said, listed = found(page, site.url, "rarity alpha")
        assert listed == []
        assert said.startswith(
            "Too many projects have “alpha” to look at all of them, and none that was looked at fits."
        )
        said, listed = found(page, site.url, "omega rarity")
        assert len(listed) == 30
        assert said.startswith("30 of at least ")
        assert found(page, site.url, "alpha omega both") == ("1 project.", ["zz-both"])
        assert axe(page) == []
        assert page.complaints == []


def test_a_list_that_was_cut_does_not_claim_to_be_the_best(browser: Browser, crowded: str) -> None:
    with browser.page() as page:
        said, listed = found(page, crowded, "django")
        assert listed[0] == "django"
        assert len(listed) == 30
        count = said.removeprefix("30 of at least ").split(" ")[0]
        assert 1000 < int(count.replace(",", "")) < MANY
        assert said.endswith(" projects; too many have “django” to look at all of them. Type more to see others.")
        said, _ = found(page, crowded, "lamp")
        assert said == "60 projects; the 30 that fit best. Type more to see others."


@pytest.mark.parametrize(
    "text", ["django", "application django", "django stripes pages", "application reusable sites django stripes board"]
)
def test_a_search_among_very_many_asks_for_a_bounded_number_of_files(
    browser: Browser, crowded: str, crowded_tree: Path, text: str
) -> None:
    with browser.page() as page:
        found(page, crowded, text)
        asked = [url for url in page.requests if url.endswith(".txt")]
    assert len(asked) == len(set(asked))
    assert len(asked) <= MOST_REQUESTS
    sizes = [(crowded_tree / unquote(urlsplit(url).path).removeprefix("/shop/")).stat().st_size for url in asked]
    assert max(sizes) <= 64 << 10
    there = sum(1 for _ in (crowded_tree / "search").rglob("*.txt"))
    assert there > MOST_REQUESTS


def test_enter_opens_what_was_typed_and_not_what_was_listed_before(browser: Browser, crowded: str) -> None:
    with browser.page() as page:
        assert found(page, crowded, "spidev") == ("1 project.", ["spidev"])
        page.tab.locator("#q").focus()
        page.tab.keyboard.press("Control+A")
        page.tab.keyboard.type("waits")
        page.tab.keyboard.press("Enter")
        page.tab.wait_for_url("**/project/**")
        assert page.tab.url == f"{crowded}/project/waits/"
        page.tab.go_back()
        expect(page.tab.locator("#q")).to_have_value("waits")
        expect(page.tab.locator("#results a")).to_have_count(2)


def test_enter_waits_for_the_list_and_opens_nothing_if_more_is_typed(browser: Browser, crowded: str) -> None:
    held: list[Route] = []
    holding = True

    def hold(route: Route) -> None:
        if holding:
            held.append(route)
        else:
            route.continue_()

    with browser.page() as page:
        page.tab.route("**/search/names/*.txt", hold)
        page.tab.goto(f"{crowded}/search/")
        page.tab.locator("#q").press_sequentially("waits")
        page.tab.keyboard.press("Enter")
        page.tab.wait_for_timeout(300)
        assert held
        page.tab.keyboard.type("-for-more")
        holding = False
        for route in held:
            route.continue_()
        expect(page.tab.locator("#results a")).to_have_text(["waits-for-more"])
        assert urlsplit(page.tab.url).path.endswith("/search/")
        expect(page.tab.locator("#q")).to_be_focused()
        page.tab.keyboard.press("Enter")
        page.tab.wait_for_url("**/project/waits-for-more/")
        assert page.complaints == []


@pytest.mark.parametrize("typed", ["quuxquux", "датчик", ""])
def test_enter_stays_if_there_is_nothing_to_open(browser: Browser, crowded: str, typed: str) -> None:
    with browser.page() as page:
        found(page, crowded, "spidev")
        page.tab.locator("#q").fill(typed)
        page.tab.keyboard.press("Enter")
        expect(page.tab.locator("#results a")).to_have_count(0)
        page.tab.wait_for_timeout(300)
        assert urlsplit(page.tab.url).path.endswith("/search/")
        expect(page.tab.locator("#q")).to_be_focused()
        assert page.complaints == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("датчик", "The search knows Latin letters and digits only; names of projects have no others."),
        ("温度", "The search knows Latin letters and digits only; names of projects have no others."),
        ("مكتبة", "The search knows Latin letters and digits only; names of projects have no others."),
        ("x", "Type at least two letters."),
        ("--", "Type at least two letters."),
        ("é", "Type at least two letters."),
    ],
)
def test_what_cannot_be_looked_up_is_told_why(browser: Browser, crowded: str, text: str, said: str) -> None:
    with browser.page() as page:
        assert found(page, crowded, text) == (said, [])
        assert page.tab.locator("#said").get_attribute("aria-live") == "polite"
        assert axe(page) == []
        assert page.complaints == []


ASSIGNED = "".join(
    chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) not in ("Cn", "Cs", "Co")
)
"""Characters that this Python knows; of newer ones the browser may know more."""


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.one_of(st.sampled_from(ASSIGNED), st.sampled_from("aZ5 -é\u0301"))), max_size=50))
def test_the_browser_and_the_writer_of_the_index_split_the_same_words(words: Page, texts: list[str]) -> None:
    split = page_words(words, [*ODD, *texts])
    assert split == [split_words(text) for text in (*ODD, *texts)]


def test_they_do_so_at_every_character(words: Page) -> None:
    texts = [f"a{letter}b" for letter in ASSIGNED]
    assert page_words(words, texts) == [split_words(text) for text in texts]


@pytest.fixture(scope="module")
def words(browser: Browser, crowded: str) -> Iterator[Page]:
    """A page that has the browser's own splitting of words."""
    with browser.page() as page:
        page.open(f"{crowded}/search/")
        script = f"{crowded}/{script_path('words.js')}"
        page.tab.evaluate(f"import({json.dumps(script)}).then((words) => {{ window.wordsOf = words.wordsOf; }})")
        yield page


def page_words(page: Page, texts: list[str]) -> list[list[str]]:
    split: list[list[str]] = page.tab.evaluate("(texts) => texts.map((text) => wordsOf(text))", texts)
    return split
