"""What a User-Agent tells, and that what strangers make up in it leads to nothing."""

import json
import subprocess

import pytest
from download_shop import FIREFOX, OLD_PIP, PDM, PIP, POETRY, UV
from hypothesis import given
from hypothesis import strategies as st

from piwright.downloads.client import Client, read_agent
from support.tools import environment


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (PIP, Client("pip", "3.11", "bookworm", "cp311", "armv7l")),
        (OLD_PIP, Client("pip", "3.11", "bookworm", "cp311", "x86_64")),
        (UV, Client("uv", "3.13", "trixie", "cp313", "aarch64")),
        # They name the Python they run on, which need not be the one they install for.
        (POETRY, Client("poetry")),
        (PDM, Client("pdm")),
        ("pip/1.5.6 CPython/2.7.9 Linux/3.16.0", Client("pip")),
        ('pip/24.0 {"python":"3.10.14","implementation":{"name":"PyPy"}}', Client("pip", "3.10", "", "pp310")),
        ('pip/24.0 {"python":"3.14.0rc2","implementation":{"name":"CPython"}}', Client("pip", "3.14", "", "cp314")),
        ('pip/24.0 {"cpu":"AMD64","python":"3.12.1"}', Client("pip", "3.12", architecture="x86_64")),
        ("bandersnatch/8.2.0 (cpython 3.12.1, Linux 6.1.0 x86_64)", Client("mirror")),
        ("Artifactory/7.104.2", Client("mirror")),
        (FIREFOX, Client()),
        ("curl/8.14.1", Client()),
        ("python-requests/2.34.1", Client()),
        ("", Client()),
    ],
)
def test_an_agent_tells_installer_python_and_machine(agent: str, expected: Client) -> None:
    assert read_agent(agent) == expected


@pytest.mark.parametrize(
    ("cpu", "platforms", "expected"),
    [
        ("armv7l", ["linux_armv7l"], "bookworm-cp311-armv7l"),
        ("aarch64", ["linux_armv7l"], "bookworm-cp311-armv7l"),
        ("armv8l", ["linux_armv6l", "linux_armv7l"], "bookworm-cp311-armv7l"),
        ("aarch64", ["linux_armv6l"], "bookworm-cp311-armv6l"),
        ("armv6l", ["linux_armv6l", "linux_armv7l"], "bookworm-cp311-armv6l"),
        ("aarch64", ["manylinux_2_36_armv7l"], "bookworm-cp311-armv7l"),
        ("aarch64", ["any"], "bookworm-cp311-aarch64"),
        ("armv8l", ["any"], "bookworm-cp311-armv7l"),
        ("aarch64", ["linux_aarch64"], "bookworm-cp311-aarch64"),
        ("vax", ["any"], "bookworm-cp311"),
    ],
)
def test_a_32_bit_python_below_a_64_bit_kernel_is_known_by_the_wheel_it_takes(
    cpu: str, platforms: list[str], expected: str
) -> None:
    assert read_agent(PIP.replace("armv7l", cpu)).target(platforms) == expected


def test_a_distribution_of_the_shops_targets_is_known_too() -> None:
    agent = PIP.replace("bookworm", "fedora43")
    assert read_agent(agent).distribution == ""
    assert read_agent(agent, frozenset({"fedora43"})).distribution == "fedora43"


@pytest.mark.parametrize(
    "said",
    [
        "", "null", "[]", '"x"', "{", '{"python":[]}', '{"cpu":{}}', '{"distro":"bookworm"}', '{"distro":{"id":null}}',
        '{"implementation":[1]}', '{"python":1e999}', '{"python":"3.1111"}', '{"python":"99.99"}', "[" * 100_000,
        '{"cpu":"' + "a" * 100_000 + '"}', '{"python":"3.11\\u0000"', '{"cpu":"\\ud800"}', "\ud800", "{}" * 5000,
    ],
)  # fmt: skip
@pytest.mark.parametrize("product", ["pip/26.3", "uv/0.13.9"])
def test_nonsense_behind_a_known_name_tells_only_the_name(product: str, said: str) -> None:
    installer = product.partition("/")[0]
    assert read_agent(f"{product} {said}") == Client(installer)


WORDS = st.one_of(st.none(), st.text(max_size=40), st.integers(), st.sampled_from(["3.11.2", "armv7l", "bookworm"]))


@given(
    st.one_of(
        st.text(max_size=300),
        st.dictionaries(
            st.sampled_from(["python", "cpu", "distro", "implementation"]),
            st.one_of(WORDS, st.dictionaries(st.sampled_from(["id", "name"]), WORDS)),
        ).map(lambda said: f"pip/26.3 {json.dumps(said)}"),
    )
)
def test_whatever_an_agent_says_comes_out_as_one_of_a_few_words(agent: str) -> None:
    client = read_agent(agent)
    assert client.installer in {"pip", "uv", "poetry", "pdm", "pex", "conda", "mirror", "other"}
    assert len(client.python) <= 4
    assert len(client.target(["linux_armv7l"])) <= 64
    assert client.architecture in {"", "armv6l", "armv7l", "armv8l", "aarch64", "x86_64", "i686", "riscv64", "ppc64le",
                                   "s390x", "loongarch64"}  # fmt: skip
    assert client.distribution == "" or client.distribution.isalpha()


def test_pypis_own_statistics_read_the_same_from_the_same_agents() -> None:
    script = """
import json, sys
from linehaul.ua import parser
for agent in json.load(sys.stdin):
    said = parser.parse(agent)
    print(json.dumps([said.installer.name, said.python, said.distro.id, said.cpu]))
"""
    agents = [PIP, OLD_PIP, UV]
    python = environment("linehaul==1.0.3") / "bin" / "python"
    ran = subprocess.run([python, "-c", script], input=json.dumps(agents), capture_output=True, text=True, check=True)
    for agent, line in zip(agents, ran.stdout.splitlines(), strict=True):
        installer, said_python, distribution, architecture = json.loads(line)
        client = read_agent(agent)
        assert (client.installer, client.distribution, client.architecture) == (installer, distribution, architecture)
        assert said_python.startswith(client.python + ".")
