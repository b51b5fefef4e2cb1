"""How much of what a worker sends back is looked at before it is refused.

Limits()                            # the defaults
Limits.from_settings(settings)      # what this shop was told
"""

from dataclasses import dataclass

from piwright.settings import Settings

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


@dataclass(frozen=True)
class Limits:
    """Bytes unless the name says otherwise. Reaching one refuses the build, never the batch."""

    result_bytes: int = 4 * MIB
    log_bytes: int = 33 * MIB
    wheel_bytes: int = 512 * MIB
    wheels: int = 8
    """Wheels of one build. PEP 517 makes one; a worker that lists hundreds is not worth hashing."""
    members: int = 65_534
    """Files in a wheel: what a zip can hold without the 64-bit end record, whose presence is refused."""
    directory_bytes: int = 32 * MIB
    """The zip's central directory, which `zipfile` reads into memory as a whole."""
    unpacked_bytes: int = 4 * GIB
    ratio: int = 100
    """Unpacked bytes for each byte of the file. Debug information and tables of numbers reach 20."""
    ratio_free_bytes: int = 64 * MIB
    """Unpacked bytes below which the ratio does not matter."""
    metadata_bytes: int = 4 * MIB
    wheel_info_bytes: int = 64 * KIB
    record_bytes: int = 32 * MIB

    @classmethod
    def from_settings(cls, settings: Settings) -> "Limits":
        """The defaults, with the caps the workers were given.

        A worker adds its own remarks after it has ended a build for its log, hence the mebibyte.
        """
        return cls(log_bytes=settings.log_limit + MIB, wheel_bytes=settings.wheel_limit)
