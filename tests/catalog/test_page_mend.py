"""JSON with halves of characters and bytes of another encoding, made readable."""

import json
import time
import tracemalloc

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piwright.catalog.page_mend import mend


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (rb'"\ud800"', "\ufffd"),
        (rb'"\uDfFf x"', "\ufffd x"),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd\U0001f600"),
        (rb'"\ude00\ud83d"', "\ufffd\ufffd"),
        (rb'"\\ud800"', r"\ud800"),
        (rb'"\\\ud800"', "\\\ufffd"),
        (rb'"\"\ud800\n"', '"\ufffd\n'),
        (b'"\xe9t\xe9 \xc3\xa9"', "\ufffdt\ufffd é"),
        (b'"\xed\xa0\x80"', "\ufffd\ufffd\ufffd"),
        (rb'"plain \u00e9"', "plain é"),
    ],
)
def test_what_is_no_character_becomes_the_replacement_character(said: bytes, text: str) -> None:
    assert msgspec.json.decode(mend(said)) == text


@given(st.text(st.characters(exclude_categories=())), st.booleans())
def test_whatever_python_writes_can_be_read(text: str, ascii_only: bool) -> None:
    said = json.dumps([text, {text: 1}], ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    read = msgspec.json.decode(mend(said))[0]
    if not any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        assert (read, mend(said)) == (text, said)
    assert mend(mend(said)) == mend(said)


@pytest.mark.parametrize("each", [rb"\\", rb"\\a", rb"\ud800", rb"\ud83d\ude00", rb"\n", b"\xff", b"[[{"])
def test_however_hostile_it_takes_little_time_and_a_few_times_the_memory_of_the_page(each: bytes) -> None:
    said = b'"' + each * (2_000_000 // len(each)) + rb'\u0000"'
    tracemalloc.start()
    began = time.process_time()
    mend(said)
    seconds, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 15  # one or two, with memory measured at the same time
    assert peak < 12 * len(said)


def test_a_page_longer_than_any_real_one_stays_as_it_is() -> None:
    said = b'"' + b"\xff" * (16 << 20) + b'"'
    assert mend(said) is said
