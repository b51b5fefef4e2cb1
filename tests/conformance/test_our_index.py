"""Our own index, published and served as the shop does it, keeps to everything that is required and recommended."""

import asyncio
from collections.abc import Iterator

import pytest

from index.published_shop import Shop
from index.serving import SERVERS
from piwright.conformance import Verdict, check_index
from piwright.database.connection import connect
from piwright.database.provision import Access
from support.postgres import fresh_database

UPSTREAM = "http://upstream.invalid/simple/"

INDEXES = ["simple", "extra/simple", "here/simple"]
"""`here` is the target that the shop's jobs are for."""


@pytest.fixture(scope="module")
def shop(postgres_server: str, postgres_template: Access, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with (
        fresh_database(postgres_server, postgres_template) as access,
        connect(access.application) as connection,
    ):
        shop = Shop(connection, tmp_path_factory.mktemp("conformance"))
        for version in ("1!2.0+pi.1", "3.6", "3.7rc1", "3.8.post1", "4.0.dev3"):
            shop.wheel("spi-dev", version)
        # A line of its own behind the requirement: the METADATA of this wheel has a Requires-Python too.
        needy = shop.wheel("spi-dev", "3.9", requires=["rpi-gpio\nRequires-Python: >=3.9,<4"])
        with connect(access.owner) as owner, owner.cursor() as cursor:  # the application never changes a wheel's facts
            cursor.execute("UPDATE wheel SET requires_python = '>=3.9,<4' WHERE filename = %s", (needy,))
        shop.release("spi-dev", "3.7rc1", yanked=True, yanked_reason='breaks "GPIO" <4> \x07 & more')
        shop.project("spi-dev", status="archived", status_reason="done & <dusted>")
        shop.upstream_file(
            *("spi-dev", "3.5", "spi_dev-3.5.tar.gz"),
            size=5,
            uploaded_at="2024-05-06T07:08:09Z",
            requires_python=">=3.9,<4",
            provenance="https://upstream.invalid/provenance",
        )
        shop.wheel("rpi-gpio", "0.7.1")
        shop.wheel("bad-one", "1.0")
        shop.project("bad-one", status="quarantined", status_reason="malware")
        shop.publish()
        yield shop


@pytest.fixture(scope="module", params=SERVERS)
def url(request: pytest.FixtureRequest, shop: Shop) -> Iterator[str]:
    """The shop by the embedded server and by nginx, as production has it."""
    with SERVERS[request.param](shop.index_root, UPSTREAM) as server:
        yield server.url


@pytest.mark.parametrize("index", INDEXES)
def test_our_index_keeps_to_the_standards(url: str, index: str) -> None:
    report = asyncio.run(check_index(f"{url}/{index}/"))
    wrong = report.of(Verdict.FAIL, Verdict.ERROR)
    assert not wrong, [(each.check.id, each.evidence) for each in wrong]
    assert report.conforms
    assert set(report.projects) == {"spi-dev", "rpi-gpio", "bad-one"}
    assert report.files >= 5
    # A check that found nothing to look at would prove nothing.
    assert not report.of(Verdict.NOT_APPLICABLE)


def test_a_project_that_is_redirected_upstream_is_not_ours_to_judge(url: str) -> None:
    report = asyncio.run(check_index(f"{url}/simple/", names=["spi-dev", "numpy"]))
    assert report.projects == ("spi-dev",)
    assert report.elsewhere == ("numpy",)
    assert report.conforms
