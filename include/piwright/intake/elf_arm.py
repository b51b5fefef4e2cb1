"""Reads the build attributes of a 32-bit ARM object, and says whether a Pi Zero can run it.

    attributes = read_arm_attributes(elf)       # None where they were stripped or cannot be read
    attributes.cpu, attributes.fp
    armv6_problem(attributes)                   # "needs ARMv7", or "" for what an ARM1176 runs

The linker writes into `.ARM.attributes` the most that any of the linked objects asks for (Arm's ABI addenda,
"Build Attributes"). Raspberry Pi 1 and Zero have an ARM1176JZF-S: ARMv6KZ, VFPv2, no NEON, Thumb-1 only.
"""

from dataclasses import dataclass, field

from elftools.elf.elffile import ELFFile

_MOST_SECTIONS = 4096
_MOST_BYTES = 4096  # 60 are usual
_MOST_ATTRIBUTES = 200

# Tag_CPU_arch. The numbers do not rise with what a core can do: v6K came after v6T2, and v6-M is a microcontroller.
_ARCHITECTURES = (
    *("pre-v4", "v4", "v4T", "v5T", "v5TE", "v5TEJ", "v6", "v6KZ", "v6T2", "v6K", "v7", "v6-M", "v6S-M", "v7E-M"),
    *("v8-A", "v8-R", "v8-M.baseline", "v8-M.mainline", "v8.1-A", "v8.2-A", "v8.3-A", "v8.1-M.mainline", "v9-A"),
)
_RUNS_ON_ARM1176 = frozenset({"v4", "v4T", "v5T", "v5TE", "v5TEJ", "v6", "v6K", "v6KZ"})
_MICROCONTROLLERS = frozenset({"v6-M", "v6S-M", "v7E-M", "v8-M.baseline", "v8-M.mainline", "v8.1-M.mainline"})
_FP = ("none", "VFPv1", "VFPv2", "VFPv3", "VFPv3-D16", "VFPv4", "VFPv4-D16", "ARMv8 FP", "ARMv8 FP-D16")
_PROFILES = {0: "", ord("A"): "A", ord("R"): "R", ord("M"): "M", ord("S"): "S"}

# Attributes that must be absent or 0 (of some, 1 is harmless), and what they stand for.
_BEYOND_ARM1176 = {
    "TAG_ADVANCED_SIMD_ARCH": (0, "NEON"),
    "TAG_WMMX_ARCH": (0, "WMMX"),
    "TAG_THUMB_ISA_USE": (1, "Thumb-2"),
    "TAG_FP_HP_EXTENSION": (0, "half-precision numbers"),
    "TAG_MPEXTENSION_USE": (0, "the multiprocessing extensions"),
    "TAG_MPEXTENSION_USE_OLD": (0, "the multiprocessing extensions"),
    "TAG_DIV_USE": (1, "integer division"),
    "TAG_DSP_EXTENSION": (0, "the DSP extension of ARMv8-M"),
    "TAG_MVE_ARCH": (0, "Helium"),
    "TAG_PAC_EXTENSION": (0, "pointer authentication"),
    "TAG_BTI_EXTENSION": (0, "branch targets"),
    "TAG_T2EE_USE": (0, "ThumbEE"),
    "TAG_VIRTUALIZATION_USE": (1, "virtualization"),
}


@dataclass(frozen=True)
class ArmAttributes:
    """What the build attributes say. `cpu` is such as "v6KZ", `fp` such as "VFPv2"; "?" where the number is unknown.

    `values` holds each attribute with a number, by its name in `pyelftools`.
    """

    cpu: str
    profile: str
    fp: str
    values: dict[str, int] = field(default_factory=dict)

    @property
    def neon(self) -> bool:
        """Advanced SIMD is used."""
        return self.values.get("TAG_ADVANCED_SIMD_ARCH", 0) != 0

    @property
    def hard_float(self) -> bool:
        """Numbers are passed in VFP registers."""
        return self.values.get("TAG_ABI_VFP_ARGS", 0) == 1

    @property
    def microcontroller(self) -> bool:
        """For a core that runs no Linux."""
        return self.profile in ("M", "R") or self.cpu in _MICROCONTROLLERS


def read_arm_attributes(elf: ELFFile) -> ArmAttributes | None:
    """The attributes of the whole file; None when there are none, or more than one could rely on."""
    if elf.num_sections() > _MOST_SECTIONS:
        return None
    for number in range(elf.num_sections()):
        header = elf._get_section_header(number)  # `get_section` would look up names and links of every section
        if header["sh_type"] == "SHT_ARM_ATTRIBUTES":
            if header["sh_size"] > _MOST_BYTES or header["sh_flags"]:
                return None
            return _parse(elf.get_section(number))
    return None


def _parse(section: object) -> ArmAttributes | None:
    values: dict[str, int] = {}
    for part in section.iter_subsections("aeabi"):  # type: ignore[attr-defined]
        for scope in part.iter_subsubsections():
            if scope.header.tag != "TAG_FILE":
                return None  # some function asks for more than the file says
            for count, attribute in enumerate(scope.iter_attributes()):
                # An attribute we cannot name may ask for anything, and one that comes twice leaves open which counts.
                if count > _MOST_ATTRIBUTES or not isinstance(attribute.tag, str) or attribute.tag in values:
                    return None
                if isinstance(attribute.value, int):
                    values[attribute.tag] = attribute.value
    if "TAG_CPU_ARCH" not in values:
        return None
    return ArmAttributes(
        cpu=_named(_ARCHITECTURES, values["TAG_CPU_ARCH"]),
        profile=_PROFILES.get(values.get("TAG_CPU_ARCH_PROFILE", 0), "?"),
        fp=_named(_FP, values.get("TAG_FP_ARCH", 0)),
        values=values,
    )


def _named(names: tuple[str, ...], number: int) -> str:
    return names[number] if 0 <= number < len(names) else "?"


def armv6_problem(attributes: ArmAttributes | None) -> str:
    """Why an ARM1176 may not run this, in words that follow the object's name; "" when it can.

    Without attributes nothing is known, and what is not known is not offered to a Pi Zero.
    """
    if attributes is None:
        return "does not say what it needs (no build attributes)"
    if attributes.cpu not in _RUNS_ON_ARM1176 or attributes.profile not in ("", "A"):
        return f"needs ARM{attributes.cpu}{attributes.profile and '-' + attributes.profile}"
    if attributes.fp not in ("none", "VFPv1", "VFPv2"):
        return f"needs {attributes.fp}"
    for name, (most, what) in _BEYOND_ARM1176.items():
        if attributes.values.get(name, 0) > most:
            return f"needs {what}"
    return ""
