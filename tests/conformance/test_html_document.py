"""Pages as they are read: what is an anchor, what it says, and what is no HTML5."""

import time

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from piwright.conformance.html_document import read_document


@pytest.mark.parametrize(
    ("html", "error"),
    [
        ("<p>no doctype", "missing-doctype"),
        ('<!DOCTYPE html PUBLIC "-//W3C//DTD HTML 4.01//EN" "x"><p>', "missing-doctype"),
        ('<!DOCTYPE html><a href="x"class="y">x</a>', "missing-whitespace-between-attributes"),
        ('<!DOCTYPE html><a href="x" href="y">x</a>', "duplicate-attribute"),
        ('<!DOCTYPE html><a href=a"b>x</a>', "unexpected-character-in-unquoted-attribute-value"),
        ('<!DOCTYPE html><a href="x', "eof-in-tag"),
        ("<!DOCTYPE html><!-- never closed", "eof-in-comment"),
        ("<!DOCTYPE html>1 < 2", "invalid-first-character-of-tag-name"),
        ("<!DOCTYPE html><a href=>x</a>", "missing-attribute-value"),
        ("<!DOCTYPE html><a href=x>x <a href=y>y</a>", "anchor-inside-anchor"),
        ("<!DOCTYPE html><script>never closed", "eof-in-script"),
        ("<!DOCTYPE html>bell \x07", "control-character-in-input-stream"),
        ("<!DOCTYPE html><?php ?>", "incorrectly-opened-comment"),
    ],
)
def test_what_is_no_html5_is_named(html: str, error: str) -> None:
    assert any(each.startswith(error) for each in read_document(html).errors), read_document(html).errors


@pytest.mark.parametrize(
    "html",
    [
        "<!DOCTYPE html><a href=x.whl>x.whl</a>",
        "\ufeff  <!-- made by hand --> <!doctype HTML ><a href='x.whl' >x.whl</a >",
        "<!DOCTYPE html SYSTEM 'about:legacy-compat'><A HREF = \"x.whl\"\n data-yanked>x.whl</A>",
        "<!DOCTYPE html><script>'<a href=no>no</a>'</script><title><a></title><!-- <a href=no> --><a href=x.whl />x.whl",
        "<!DOCTYPE html><a href=x.whl>x<b>.</b>whl</a>",
    ],
)
def test_an_anchor_is_read_as_a_browser_reads_it(html: str) -> None:
    document = read_document(html)
    assert document.errors == ()
    [anchor] = document.anchors
    assert (anchor.attributes["href"], anchor.text) == ("x.whl", "x.whl")


def test_attributes_are_unescaped_once_and_kept_as_written() -> None:
    [anchor] = read_document('<!DOCTYPE html><a data-requires-python="&gt;=3, &amp;lt;4">x</a>').anchors
    assert anchor.attributes["data-requires-python"] == ">=3, &lt;4"
    assert anchor.written["data-requires-python"] == "&gt;=3, &amp;lt;4"


def test_meta_tags_and_the_base_are_read() -> None:
    html = '<!DOCTYPE html><base href="/files/"><base href="no"><META name="pypi:repository-version" content="1.4">'
    document = read_document(html)
    assert document.base == "/files/"
    assert document.metas["pypi:repository-version"] == ("1.4",)


names = st.text("abcdefgxyz.-_", min_size=1, max_size=12)
values = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)


@given(st.lists(st.tuples(names, values), max_size=6))
def test_well_formed_anchors_are_those_another_parser_finds(listed: list[tuple[str, str]]) -> None:
    def quoted(value: str) -> str:
        return value.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")

    anchors = "".join(f'<a href="{quoted(value)}">{name}</a>\n' for name, value in listed)
    html = f"<!DOCTYPE html><html><body>{anchors}</body></html>"
    document = read_document(html)
    other = BeautifulSoup(html, "html.parser").find_all("a")
    assert [(each.attributes["href"], each.text) for each in document.anchors] == [
        (str(each["href"]), each.text) for each in other
    ]


@given(st.text("<>/!-?a b='\"&;sript\n\x00", max_size=200))
def test_no_text_is_refused_or_read_for_long(text: str) -> None:
    started = time.monotonic()
    read_document(text)
    assert time.monotonic() - started < 1
