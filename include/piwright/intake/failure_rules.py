"""The lines of a log that tell why a build failed.

A rule recognises one class by one line; the table is ordered, and of the rules that fit a line the first speaks for
it. `intake.failures` weighs the lines of a log.

To add a rule: a `needle` (a literal that must be in the line, found in no time), a pattern whose named groups become
what was captured, and a log in tests/intake/logs/ that it and no other class matches. A pattern must start with a
literal or `^` and must not repeat a repetition: logs are written by strangers, and its time has to be linear.
"""

import re
from dataclasses import dataclass
from enum import IntEnum


class Weight(IntEnum):
    """How much a line explains. The heaviest line of a log is the evidence."""

    SYMPTOM = 1
    """Something failed: a traceback's last line, a compiler that returned 1."""
    DIAGNOSIS = 2
    """What failed: the compiler's own message with file and line."""
    CAUSE = 3
    """Why: the thing that is missing, by name."""
    OURS = 4
    """Why, and it makes all the rest of the log a consequence of our own trouble."""


@dataclass(frozen=True)
class Rule:
    """One class seen in one line; `before` must match one of the three lines above it, `kinds` are failure kinds."""

    failure_class: str
    weight: Weight
    needle: str
    pattern: re.Pattern[str]
    before: re.Pattern[str] | None = None
    kinds: frozenset[str] = frozenset({"backend", "requirements", "killed"})


_REMOVED = {  # by the Python that no longer has them
    (3, 8): "macpath",
    (3, 9): "_dummy_thread dummy_threading",
    (3, 10): "formatter parser symbol",
    (3, 11): "binhex",
    (3, 12): "asynchat asyncore distutils imp smtpd",
    (3, 13): "aifc audioop cgi cgitb chunk crypt imghdr lib2to3 mailcap msilib nis nntplib ossaudiodev pipes sndhdr "
    "spwd sunau telnetlib uu xdrlib",
}
_REMOVED_MODULES = "|".join(name for names in _REMOVED.values() for name in names.split())
_PYTHON2_MODULES = (
    "ConfigParser|Queue|StringIO|cStringIO|cPickle|urllib2|urlparse|httplib|HTMLParser|Cookie|cookielib|"
    "commands|__builtin__|exceptions|Tkinter|SocketServer|BaseHTTPServer|SimpleHTTPServer|xmlrpclib|sets|dl|md5|sha"
)
_PYTHON2_NAMES = "unicode|xrange|raw_input|basestring|execfile|unichr|long|file|reduce|cmp"
_MODULES_WITH_REMOVALS = (
    r"ast|array|asyncio|base64|cgi|collections|configparser|fractions|gettext|html(?:\.parser)?|importlib|inspect|locale|"
    r"os|pkgutil|platform|string|sys|threading|time|types|typing|unittest|xml\.etree"
)
_PROGRAMS = (
    "cmake|ccmake|make|gmake|ninja|meson|swig|gcc|g\\+\\+|cc|c\\+\\+|clang|clang\\+\\+|gfortran|f77|f95|cargo|rustc|rustup|"
    "go|git|hg|svn|bzr|pkg-config|pkgconf|bison|flex|yacc|lex|nasm|yasm|autoconf|automake|autoreconf|aclocal|libtoolize|"
    "libtool|m4|perl|ruby|java|javac|mvn|ant|node|npm|npx|yarn|pnpm|bazel|scons|waf|qmake|moc|sip|protoc|thrift|capnp|"
    "doxygen|pandoc|help2man|gettext|msgfmt|xgettext|patch|patchelf|unzip|wget|curl|tar|xz|nvcc|mpicc|mpicxx|"
    "python2|python2\\.7|python|cython|f2py|ldconfig|ld|ar|strip|objcopy|zig|ghc|ocaml|julia|R|tox|"
    "[a-z0-9_.+-]+[-_]config"
)


def _rule(
    failure_class: str, weight: Weight, needle: str, pattern: str, before: str | None = None, *kinds: str
) -> Rule:
    extra = {"kinds": frozenset(kinds)} if kinds else {}
    return Rule(failure_class, weight, needle, re.compile(pattern), re.compile(before) if before else None, **extra)


SYMPTOM, DIAGNOSIS, CAUSE, OURS = Weight
_NAME = r"[\w.+-]{1,200}"
_WORD = r"(?<![\w.+-])"  # a name is tried once, from its start
_HEADER = r"[^\s:'\"<>]{1,300}"
_RAN_A_PROGRAM = r"subprocess\.py|_execute_child|child_exception_type|os\.execvp|posix_spawn"
_SOURCE = r"^\s*(?P<file>[^\s:]{1,300}\.(?:c|cc|cpp|cxx|c\+\+|h|hh|hpp|hxx|m|mm|S|s|f|f90|F|F90|cu|i|tpp|inc))"

RULES: tuple[Rule, ...] = (
    # Our own trouble. The installer reports a package it could not reach as one that does not exist.
    _rule(
        "fetch_failed",
        OURS,
        "rror",
        r"(?:Max retries exceeded with url|NewConnectionError|ConnectTimeoutError|"
        r"ReadTimeoutError|NameResolutionError|Temporary failure in name resolution|Network is unreachable|"
        r"ProtocolError\()",
        None,
        "requirements",
    ),
    _rule("fetch_failed", OURS, "Retry(total=0", r"Retrying \(Retry\(total=0,", None, "requirements"),
    _rule("fetch_failed", OURS, "HTTP", r"HTTP error 50\d while getting|50\d Server Error", None, "requirements"),
    _rule("no_space", OURS, "No space left on device", r"No space left on device"),
    _rule("no_space", OURS, "Disk quota exceeded", r"Disk quota exceeded"),
    _rule("out_of_memory", OURS, "Killed", r"fatal error: Killed signal terminated program (?P<program>\w+)"),
    _rule("out_of_memory", OURS, "Killed", r"internal compiler error: Killed(?: \(program (?P<program>[\w+]+)\))?"),
    _rule(
        "out_of_memory",
        OURS,
        "memory",
        r"virtual memory exhausted|[Oo]ut of memory allocating \d|"
        r"LLVM ERROR: out of memory|memory allocation of \d+ bytes failed|[Cc]annot allocate memory",
    ),
    _rule("out_of_memory", OURS, "MemoryError", r"^\s*(?:numpy\.\S{1,60})?MemoryError\b"),
    _rule("out_of_memory", OURS, "SIGKILL", r"signal: 9, SIGKILL"),
    # What is missing, by name.
    _rule(
        "missing_header",
        CAUSE,
        "fatal error: ",
        rf"fatal error: (?P<header>(?!\S{{1,300}}\.(?:c|cc|cpp|cxx|pyx):){_HEADER}): No such file or directory",
    ),
    _rule("missing_header", CAUSE, "file not found", rf"fatal error: '(?P<header>{_HEADER})' file not found"),
    _rule(
        "missing_header",
        CAUSE,
        "No such file",
        _SOURCE + rf":\d+:(?:\d+:)? error: (?P<header>{_HEADER}\.h(?:pp)?): "
        r"No such file or directory",
    ),
    _rule("missing_header", CAUSE, "You need", r"You need (?:the )?(?P<header>Python\.h)\b"),
    _rule("missing_library", CAUSE, "cannot find -l", rf"cannot find -l:?(?P<library>{_NAME})"),
    _rule("missing_library", CAUSE, "unable to find library", rf"unable to find library -l(?P<library>{_NAME})"),
    _rule("missing_library", CAUSE, "Could NOT find", rf"Could NOT find (?P<library>{_NAME})", r"CMake Error"),
    _rule(
        "missing_library",
        CAUSE,
        "cannot open shared object",
        rf"{_WORD}(?P<library>{_NAME}\.so[\d.]*): cannot open shared object file",
    ),
    _rule("missing_pkg_config", CAUSE, "No package '", rf"No package '(?P<module>{_NAME})' found"),
    _rule(
        "missing_pkg_config",
        CAUSE,
        "pkg-config search path",
        rf"Package (?P<module>{_NAME}) was not found in the pkg-config search path",
    ),
    _rule("missing_pkg_config", CAUSE, "required by 'virtual:world'", rf"Package '(?P<module>{_NAME})', required by"),
    _rule(
        "missing_pkg_config",
        CAUSE,
        'ependency "',
        rf"ERROR: Dependency \"(?P<module>{_NAME})\" not found, tried pkgconfig",
    ),
    _rule(
        "missing_pkg_config", CAUSE, "equired packages were not found", r"following required packages were not found"
    ),
    _rule(
        "missing_program",
        CAUSE,
        "No such file or directory: '",
        rf"FileNotFoundError: \[Errno 2\] No such file or directory: '(?P<program>(?:{_PROGRAMS}))'",
    ),
    _rule(
        "missing_program",
        CAUSE,
        "No such file or directory: '",
        r"FileNotFoundError: \[Errno 2\] No such file or directory: '(?P<program>[^'/\s]{1,100})'",
        _RAN_A_PROGRAM,
    ),
    _rule(
        "missing_program",
        CAUSE,
        "error: command '",
        rf"error: command '(?:[^']{{0,300}}/)?(?P<program>{_NAME})' failed: No such file",
    ),
    _rule("missing_program", CAUSE, "unable to execute '", rf"unable to execute '(?P<program>{_NAME})': No such file"),
    _rule(
        "missing_program",
        CAUSE,
        "not found",
        rf"^\s*(?:/bin/)?(?:ba|da)?sh: (?:line )?\d+: (?P<program>{_NAME}): "
        r"(?:command )?not found",
    ),
    _rule(
        "missing_program",
        CAUSE,
        "command not found",
        rf"^\s*(?:\S{{1,100}}: line \d+: )?(?P<program>{_NAME}): command not found",
    ),
    _rule(
        "missing_program",
        CAUSE,
        "No such file or directory",
        rf"^\s*g?make(?:\[\d+\])?: (?P<program>{_NAME}): No such file or directory",
    ),
    _rule("missing_program", CAUSE, "can't find Rust", r"can't find (?P<program>Rust) compiler"),
    _rule("missing_program", CAUSE, "Rust package manager", r"[Cc]argo, the (?P<program>Rust) package manager, is not"),
    _rule("missing_program", CAUSE, "CMake must be installed", r"(?P<program>CMake) must be installed"),
    _rule(
        "missing_program", CAUSE, "executable", rf"{_WORD}(?P<program>{_NAME}[-_]config) executable (?:was )?not found"
    ),
    _rule("missing_program", CAUSE, "Unknown compiler", rf"Unknown compiler\(s\): \[\['(?P<program>{_NAME})'"),
    _rule("missing_program", CAUSE, "CMAKE_", r"No (?P<program>CMAKE_[A-Z]{1,20}_COMPILER) could be found"),
    _rule("missing_program", CAUSE, "rogram", rf"ERROR: Program '(?P<program>{_NAME})(?: [^']{{1,200}})?' not found"),
    # Python moved on.
    _rule(
        "removed_module",
        CAUSE,
        "No module named",
        rf"(?:ModuleNotFound|Import)Error: No module named '?(?P<module>(?:{_REMOVED_MODULES})(?:\.[\w.]{{1,99}})?)'?$",
    ),
    _rule(
        "removed_module",
        CAUSE,
        "has no attribute",
        rf"AttributeError: module '(?P<module>{_MODULES_WITH_REMOVALS})' has no attribute '(?P<name>\w{{1,100}})'",
    ),
    _rule(
        "removed_module",
        CAUSE,
        "cannot import name",
        rf"ImportError: cannot import name '(?P<name>\w{{1,100}})' from '(?P<module>{_MODULES_WITH_REMOVALS})'",
    ),
    _rule(
        "python2_syntax",
        CAUSE,
        "No module named",
        rf"(?:ModuleNotFound|Import)Error: No module named '?(?P<module>{_PYTHON2_MODULES})'?$",
    ),
    _rule("python2_syntax", CAUSE, "is not defined", rf"NameError: name '(?P<name>{_PYTHON2_NAMES})' is not defined"),
    _rule(
        "python2_syntax",
        CAUSE,
        "SyntaxError",
        r"SyntaxError: (?:Missing parentheses in call to '(?P<name>print|exec)'|"
        r"multiple exception types must be parenthesized|leading zeros in decimal integer literals|"
        r"invalid (?:token|hexadecimal literal|decimal literal))",
    ),
    _rule(
        "python2_syntax",
        CAUSE,
        "SyntaxError",
        r"SyntaxError: invalid syntax",
        r"^\s*+(?:\d++\s++)?+(?:print\s+[^\s(=.]|exec\s+[^\s(=]|raise\s+[\w.]{1,100}\s*,|except\s[^:]{1,200},\s*\w+\s*:|"
        r"[^#'\"]{0,200}<>|[^#'\"]{0,200}\bur['\"])",
    ),
    _rule("python2_syntax", CAUSE, "TabError", r"TabError: inconsistent use of tabs"),
    _rule(
        "python2_syntax",
        CAUSE,
        "has no attribute",
        r"AttributeError: 'dict' object has no attribute "
        r"'(?P<name>has_key|iteritems|itervalues|iterkeys)'",
    ),
    # Requirements of the build.
    _rule(
        "build_requirement_unavailable",
        CAUSE,
        "No matching distribution found",
        r"No matching distribution found for (?P<requirement>\S[^\n]{0,200})",
    ),
    _rule(
        "build_requirement_unavailable",
        CAUSE,
        "uitable distribution",
        r"Could not find suitable distribution for Requirement\.parse\('(?P<requirement>[^']{1,200})'\)",
    ),
    _rule("build_requirement_unavailable", CAUSE, "ResolutionImpossible", r"ResolutionImpossible: for help"),
    _rule(
        "missing_build_requirement",
        CAUSE,
        "No module named",
        r"(?:ModuleNotFound|Import)Error: No module named '?(?P<module>\w[\w.]{0,200})'?",
    ),
    _rule(
        "missing_build_requirement",
        CAUSE,
        "BackendUnavailable",
        r"BackendUnavailable: Cannot import '(?P<module>[\w.]{1,200})'",
    ),
    # The network is for fetching; a build that goes out for more cannot be repeated.
    _rule("wants_network", CAUSE, "name resolution", r"Temporary failure in name resolution"),
    _rule("wants_network", CAUSE, "resolve host", r"Could not resolve host(?:name)?:? ?(?P<host>[\w.-]{0,200})"),
    _rule("wants_network", CAUSE, "unable to access", r"fatal: unable to access '(?P<address>[^']{1,300})'"),
    _rule("wants_network", CAUSE, "transport", r"fatal: transport '\w{1,20}' not allowed"),
    _rule("wants_network", CAUSE, "urlopen error", r"URLError: <urlopen error"),
    _rule("wants_network", CAUSE, "Network is unreachable", r"Network is unreachable"),
    _rule("wants_network", CAUSE, "HTTPError", r"^\s*urllib\.error\.HTTPError: HTTP Error \d"),
    _rule(
        "wants_network",
        CAUSE,
        "could not read Username",
        r"fatal: could not read Username for '(?P<address>[^']{1,300})'",
    ),
    _rule("wants_network", CAUSE, "ailed to download", r"error: failed to download from `(?P<address>[^`]{1,300})`"),
    # The compiler's own words.
    _rule(
        "compiler_error",
        DIAGNOSIS,
        "error: ",
        _SOURCE + r":(?P<line>\d+):(?:\d+:)? (?:fatal )?error: (?P<message>.{1,300})",
    ),
    _rule(
        "compiler_error", DIAGNOSIS, "undefined reference to", r"undefined reference to [`'](?P<symbol>[^`']{1,200})'"
    ),
    _rule("compiler_error", DIAGNOSIS, "Error compiling Cython file", r"^\s*Error compiling Cython file"),
    _rule("compiler_error", DIAGNOSIS, "CompileError", r"Cython\.Compiler\.Errors\.CompileError: (?P<file>\S{1,300})"),
    _rule("compiler_error", DIAGNOSIS, "error[E", r"^\s*error\[E\d{4}\]: (?P<message>.{1,300})"),
    _rule("compiler_error", DIAGNOSIS, "could not compile", r"^\s*error: could not compile `(?P<crate>[\w-]{1,100})`"),
    _rule("compiler_error", DIAGNOSIS, "internal compiler error", r"internal compiler error: (?P<message>.{1,300})"),
    _rule(
        "compiler_error",
        DIAGNOSIS,
        "error: unrecognized",
        r"error: unrecognized command[- ]line option (?P<option>\S{1,100})",
    ),
    _rule(
        "compiler_error",
        DIAGNOSIS,
        "No such file",
        r"error: (?P<file>[^\s:]{1,300}\.(?:c|cc|cpp|cxx|pyx|f|f90)): No such file",
    ),
    # Only that something failed.
    _rule(
        "compiler_error",
        SYMPTOM,
        "failed with exit",
        r"error: command '(?P<program>[^']{1,300})' failed with exit (?:code|status) \d",
    ),
    _rule("setup_error", SYMPTOM, "CMake Error", r"^\s*CMake Error(?: at (?P<file>[^\s:]{1,300}):(?P<line>\d+))?"),
    _rule("setup_error", SYMPTOM, "configure: error:", r"configure: error: (?P<message>.{1,300})"),
    _rule("setup_error", SYMPTOM, "meson.build", r"meson\.build:\d+:\d+: ERROR: (?P<message>.{1,300})"),
    _rule(
        "setup_error",
        SYMPTOM,
        "",
        r"^\s*(?:[\w]{1,100}\.){0,10}(?P<exception>[A-Z]\w{0,80}(?:Error|Exception|Failed|Failure|NotFound|Exit)|"
        r"KeyboardInterrupt|StopIteration|Exception)(?:: (?P<message>.{0,300})|:?\s*$)",
    ),
    _rule("setup_error", SYMPTOM, "rror: ", r"^\s*(?:error|Error|ERROR): (?P<message>.{1,300})"),
    _rule("compiler_error", SYMPTOM, "*** [", r"^\s*g?make(?:\[\d+\])?: \*\*\* \[(?P<target>.{1,200}) Error \d"),
)

NOISE = re.compile(
    # Probes that are meant to fail when something is not there.
    r"_configtest|conftest\.|CMakeTmp|CMakeScratch|TryCompile|/meson-private/|sanitycheck|"
    # What installers and hook runners add below the real reason.
    r"subprocess-exited-with-error|metadata-generation-failed|Failed building wheel|Could not build wheels|"
    r"Failed to build |Getting requirements to build|CalledProcessError|HookMissing|BackendFailed|pip subprocess to install|"
    r"^\s*(?:WARNING|warning): (?!Retrying \(Retry\(total=0)|failed-wheel-build|failed to build in "
)
"""Lines that explain nothing, however much they look like errors."""

PHASE = re.compile(r"=== piwright: phase ")
"""A new phase: the one before ended well, so nothing in it is why the build failed."""

FRESH_START = re.compile(r"^\s*(?:building '[^']{1,200}' extension|During handling of the above exception)")
"""What went wrong above was survived: an extension that is optional, an exception that was handled."""
