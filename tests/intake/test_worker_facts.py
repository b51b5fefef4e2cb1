"""What a worker says about itself when it is probed: typed, bounded, cleaned, or refused by field and value."""

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.hostile_results import HOSTILE_FACTS, SOUND_PROBE, HostileText
from piwright.intake.worker_facts import MOST_BYTES, WorkerFacts, read_facts
from piwright.worker import ProtocolError, WorkerRefusal
from piwright.worker.program import facts as worker_program


def read(**change: Any) -> WorkerFacts:
    return read_facts(json.dumps(SOUND_PROBE | {"facts": SOUND_PROBE["facts"] | change}).encode())


def test_the_facts_of_a_pi_are_read() -> None:
    facts = read()
    assert (facts.python, facts.machine, facts.cores) == ("3.11.2", "armv7l", 4)
    assert (facts.sandbox.kind, facts.sandbox.memory) == ("bubblewrap", "watchdog")
    assert facts.sandbox.details == {"cgroup2": "the memory controller is off"}
    assert facts.tools["cargo"] == ""
    assert facts.apt[0] == "gcc-12=12.2.0-14+deb12u1"
    assert facts.libraries["libstdc++.so.6"] == "libstdc++6"


def test_a_field_of_a_later_worker_is_ignored() -> None:
    assert read(colour="green") == read()


def test_what_this_very_system_says_about_itself_is_read() -> None:
    # The patterns are no stricter than a real interpreter on a real distribution.
    said = subprocess.run([sys.executable, worker_program.__file__], check=True, capture_output=True, timeout=60)
    assert read(**json.loads(said.stdout)).python == sys.version.split()[0]


@pytest.mark.parametrize("case", HOSTILE_FACTS, ids=lambda case: case.name)
def test_a_wrong_fact_is_named_with_its_value(case: HostileText) -> None:
    with pytest.raises(ProtocolError) as refused:
        read_facts(case.make())
    said = str(refused.value)
    assert case.reason in said
    assert len(said) < 500
    assert said.isprintable()


def test_the_workers_own_refusal_is_told_in_its_words() -> None:
    with pytest.raises(WorkerRefusal, match="the worker refused: no such interpreter"):
        read_facts(b'{"error": "no such interpreter\\u001b[2J"}')


def test_texts_come_out_fit_for_a_database_and_a_terminal() -> None:
    nasty = "a\x00b\nc\x1b[31mred\x1b[0m\u202etxt\ud800"
    sandbox = SOUND_PROBE["facts"]["sandbox"] | {"why": nasty, "details": {"userns": nasty}}
    facts = read(libc=nasty, distribution=nasty, kernel=nasty, compiler=nasty, tools={"uv": nasty}, sandbox=sandbox)
    texts = (facts.libc, facts.kernel, facts.compiler, facts.tools["uv"], facts.sandbox.details["userns"])
    for text in (*texts, facts.distribution, facts.sandbox.why):
        assert text.isprintable()
        text.encode()


def test_as_many_libraries_as_a_desktop_has_are_read() -> None:
    libraries = {f"lib{number}.so.{number}": f"lib{number}" for number in range(5000)}
    assert len(read(libraries=libraries).libraries) == 5000


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_but_a_protocol_error(content: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_facts(content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(sorted(SOUND_PROBE["facts"])), JSON))
def test_arbitrary_facts_are_read_or_refused(change: dict[str, Any]) -> None:
    try:
        facts = read(**change)
    except ProtocolError:
        return
    assert len(json.dumps(facts.libraries)) < MOST_BYTES
