"""Addresses in the one spelling that installers understand alike."""

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.models import PreparedRequest

from piwright.catalog.page_address import read_address, read_file_address
from piwright.catalog.page_json import PageError

BASE = "https://upstream.example/simple/a/"


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("https://x.example/a%20b/%C3%A9.whl", "https://x.example/a%20b/%C3%A9.whl"),
        ("https://x.example/a%2Fb%2b.whl#sha256=00", "https://x.example/a%2Fb%2b.whl"),
        ("http://exämple.invalid/é.whl", "http://xn--exmple-cua.invalid/%C3%A9.whl"),
        ("http://Faß.invalid:8080/x", "http://xn--fa-hia.invalid:8080/x"),
        ("../../files/é.whl", "https://upstream.example/files/%C3%A9.whl"),
        ("//cdn.example/x?name=é&b=%C3%A9", "https://cdn.example/x?name=%C3%A9&b=%C3%A9"),
        ('https://x.example/"<x>`{}|^\\', "https://x.example/%22%3Cx%3E%60%7B%7D%7C%5E%5C"),
        ("https://x.example/100%/%zz", "https://x.example/100%25/%25zz"),
        ("https://x.example/a\u202e\x85b", "https://x.example/a%E2%80%AE%C2%85b"),
        ("https://[2001:DB8::1]:8443/x", "https://[2001:db8::1]:8443/x"),
        ("https://127.0.0.1:65535/x", "https://127.0.0.1:65535/x"),
        ("HTTPS://X.example/x", "https://x.example/x"),
    ],
)
def test_what_has_no_place_in_an_address_is_encoded_and_what_is_encoded_stays(said: str, wanted: str) -> None:
    assert read_address(said, "url", BASE) == wanted
    assert read_address(wanted, "url", BASE) == wanted
    assert wanted.isascii()
    request = PreparedRequest()
    request.prepare_url(wanted, None)
    # What pip (requests) sends is this address, without another idea of its own; it spells %2b as %2B.
    assert request.url is not None
    assert unquote(request.url) == unquote(wanted)
    assert urlsplit(request.url).netloc == urlsplit(wanted).netloc


@pytest.mark.parametrize(
    "said",
    [
        "http://a b.example/x",
        "http://x.example/a b",
        "http://x.example/a\tb",
        "http://me@x.example/x",
        "http://@x.example/x",
        "http://x.example\\@y.example/x",
        "http://x.example:99999/x",
        "http://x.example:-1/x",
        "http://exa%6dple.invalid/x",
        "http://ex<script>.invalid/x",
        "http://" + "é" * 70 + ".invalid/x",
        "http://a..é/x",
        "http://\u2028.invalid/x",
        "http://x.example\uff0fy/x",
        "http:///x",
        "http://[::1%25eth0]/x",
        "http://x.example/\ud800",
        "data:text/html,x",
        "",
        None,
    ],
)
def test_what_is_no_address_to_fetch_a_file_from_is_refused(said: str | None) -> None:
    with pytest.raises(PageError, match=r"url is .* expected an http or https address without user name"):
        read_address(said, "url", BASE)


@given(st.text(max_size=20), st.sampled_from(["", "../", "http://x.example/", "https://é.example:1/", "//", "http://"]))
def test_whatever_stands_for_an_address_it_is_one_in_ascii_or_refused(text: str, start: str) -> None:
    try:
        read = read_address(start + text, "url", BASE)
    except PageError:
        return
    assert read.isascii()
    assert read.isprintable()
    assert read.startswith(("http://", "https://"))
    assert urlsplit(read).hostname
    assert read_address(read, "url", BASE) == read


def test_the_last_part_of_a_file_s_address_is_its_name() -> None:
    name = "a-1.0+x-py3-none-any.whl"
    for said in (name, "b/a-1.0%2Bx-py3-none-any.whl", f"http://x.example/é/{name}?key=1#sha256=0"):
        assert read_file_address(said, "url", BASE, name).startswith("http")
    for said in ("a-1.0-py3-none-any.whl", f"{name}/", f"?x=/{name}", f"x%2F{name}", f"x?y=/{name}", f"{name};v=1"):
        with pytest.raises(PageError, match=r"url is .* expected an address whose last part is the file's name, a-1.0"):
            read_file_address(said, "url", BASE, name)
