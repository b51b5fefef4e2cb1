"""How piwright introduces itself to upstream, whose operators want to know whom to write to."""

import tomllib
from importlib.metadata import PackageNotFoundError, version

from piwright.settings import ROOT


def piwright_version() -> str:
    """The version of this piwright; a checkout that is not installed says it in pyproject.toml."""
    try:
        return version("piwright")
    except PackageNotFoundError:
        return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


USER_AGENT = f"piwright/{piwright_version()} (a wheel shop for Raspberry Pi; +contact: the operator of this address)"
