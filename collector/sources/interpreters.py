"""How interpreters read their command lines: where the script, module or class stands in argv.

`java`, `python3` and `node` identify nothing; what they run does. An option that is not known here
might take the next word as its value, and that word might be a secret: then nothing is learned, and
the process counts as an interpreter of unknown purpose.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

_VERSION = re.compile(r"[-.]?\d+(?:\.\d+)*[a-z]{0,2}\Z")


@dataclass(frozen=True, slots=True)
class Program:
    """What an interpreter runs: `name` as written (`kind` path) or a dotted module or class."""

    name: str
    kind: str  # "path" | "module"


def words(text: str) -> frozenset[str]:
    """The words of a table."""
    return frozenset(text.split())


Finder = Callable[[Sequence[str]], Program | None]


@dataclass(frozen=True, slots=True)
class _Grammar:
    """Options before the script. Short options cluster: `flags` take nothing, `valued` take the
    rest of the word or the next word, `attached` take the rest of the word; `module` and
    `script` name the program; any other (inline code, standard input) leaves nothing to learn. Long
    options take a value after `=`, or as the next word if `long_valued`.
    """

    flags: str = ""
    valued: str = ""
    attached: str = ""
    module: str = ""
    script: str = ""
    long_flags: frozenset[str] = frozenset()
    long_valued: frozenset[str] = frozenset()

    def find(self, arguments: Sequence[str]) -> Program | None:
        at = 0
        while at < len(arguments):
            word = arguments[at]
            if word == "--":
                return _path(arguments[at + 1 : at + 2])
            if not word.startswith("-") or word == "-":
                return _path(arguments[at : at + 1])
            if word.startswith("--"):
                step = self._skip_long(word)
            else:
                step, program = self._skip_cluster(word[1:], arguments[at + 1 : at + 2])
                if program is not None:
                    return program
            if step == 0:
                return None
            at += step
        return None

    def _skip_long(self, word: str) -> int:
        """How many words the option takes; 0 when that is not known."""
        name, equals, _ = word.partition("=")
        if equals or name in self.long_flags:
            return 1
        return 2 if name in self.long_valued else 0

    def _skip_cluster(self, letters: str, following: Sequence[str]) -> tuple[int, Program | None]:
        for at, letter in enumerate(letters):
            rest = letters[at + 1 :]
            if letter in self.flags:
                continue
            if letter in self.module or letter in self.script:
                value = rest or next(iter(following), "")
                kind = "module" if letter in self.module else "path"
                return 0, Program(value, kind) if value else None
            if letter in self.valued:
                return (1 if rest else 2), None
            return (1 if letter in self.attached else 0), None
        return 1, None


def _path(words: Sequence[str]) -> Program | None:
    return Program(words[0], "path") if words and words[0] not in ("", "-") else None


_PYTHON = _Grammar(flags="bBdEhiIOPqRsSuvVx?", valued="WX", module="m")
_NODE = _Grammar(
    flags="ci",
    valued="rC",
    long_flags=words(
        "--inspect --inspect-brk --enable-source-maps --trace-warnings --no-warnings --expose-gc "
        "--no-deprecation --trace-deprecation --trace-uncaught --preserve-symlinks "
        "--use-openssl-ca "
        "--experimental-modules --experimental-vm-modules --harmony --watch "
        "--abort-on-uncaught-exception --experimental-strip-types --experimental-worker "
        "--use-bundled-ca"
    ),
    long_valued=words(
        "--require --import --loader --experimental-loader --conditions --title --icu-data-dir "
        "--openssl-config --redirect-warnings --diagnostic-dir --inspect-port"
    ),
)
_RUBY = _Grammar(
    flags="acdhlnpsSUvwy",
    valued="IrCE",
    attached="FKTWx0i",
    long_flags=words("--yjit --jit --verbose --disable-gems --enable-frozen-string-literal"),
    long_valued=words("--encoding --external-encoding --internal-encoding"),
)
_PERL = _Grammar(flags="acfhnpsSTtuUvwWX", valued="I", attached="0CDFilmMxV")
_PHP = _Grammar(
    flags="aCeHlnqsw", valued="cdzt", script="f", long_flags=frozenset({"--no-php-ini"})
)
_SHELL = _Grammar(
    flags="abefhiklmnprtuvxBCEHPTD",
    valued="oO",
    long_flags=words(
        "--login --norc --noprofile --posix --restricted --verbose --noediting --debugger"
    ),
    long_valued=words("--rcfile --init-file"),
)

_JAVA_VALUED = words(
    "-cp -classpath --class-path -p --module-path --upgrade-module-path --add-modules "
    "--add-exports "
    "--add-opens --add-reads --limit-modules --patch-module --enable-native-access "
    "--illegal-native-access --source --finalization"
)
_JAVA_LONG_FLAGS = words("--enable-preview --show-version --dry-run --validate-modules")
_DOTNET_VALUED = words(
    "--roll-forward --fx-version --runtimeconfig --depsfile --additionalprobingpath "
    "--additional-deps --roll-forward-on-no-candidate-fx"
)


def _find_java(arguments: Sequence[str]) -> Program | None:
    at = 0
    while at < len(arguments):
        word = arguments[at]
        if word in ("-jar", "-m", "--module"):
            value = next(iter(arguments[at + 1 : at + 2]), "")
            return Program(value, "path" if word == "-jar" else "module") if value else None
        if word.startswith("--module="):
            return Program(word.partition("=")[2], "module")
        if word in _JAVA_VALUED:
            at += 2
        elif word.startswith("@"):
            return None  # the rest of the command line stands in a file
        elif not word.startswith("-"):
            return Program(word, "path" if word.endswith(".java") else "module")
        elif word.startswith("--") and "=" not in word and word not in _JAVA_LONG_FLAGS:
            return None
        else:
            at += 1
    return None


def _find_dotnet(arguments: Sequence[str]) -> Program | None:
    at = 1 if arguments[:1] == ["exec"] else 0
    while at < len(arguments):
        word = arguments[at]
        if not word.startswith("-"):
            # Anything else is a command of the SDK (run, build), which names no program.
            return Program(word, "path") if word.lower().endswith((".dll", ".exe")) else None
        if word not in _DOTNET_VALUED and "=" not in word:
            return None
        at += 1 if "=" in word else 2
    return None


def _find_first(arguments: Sequence[str]) -> Program | None:
    """For interpreters whose options are not known here: only a program that stands first."""
    first = arguments[:1]
    return None if first and first[0].startswith("-") else _path(first)


def _find_nothing(arguments: Sequence[str]) -> Program | None:
    return None


_FINDERS: dict[str, Finder] = {
    "java": _find_java,
    "dotnet": _find_dotnet,
    **dict.fromkeys(("python", "pypy"), _PYTHON.find),
    **dict.fromkeys(("node", "nodejs"), _NODE.find),
    **dict.fromkeys(("ruby", "jruby", "truffleruby"), _RUBY.find),
    "perl": _PERL.find,
    "php": _PHP.find,
    **dict.fromkeys(("bash", "sh", "dash", "ash", "zsh", "ksh", "mksh", "rbash"), _SHELL.find),
    **dict.fromkeys(
        ("lua", "luajit", "rscript", "tclsh", "wish", "julia", "mono", "guile", "groovy", "wine"),
        _find_first,
    ),
    **dict.fromkeys(
        ("ld-linux-x86-64.so", "ld-linux-aarch64.so", "ld-musl-x86_64.so"), _find_first
    ),
    **dict.fromkeys(
        (
            "deno",
            "bun",
            "php-fpm",
            "php-cgi",
            "beam.smp",
            "erl",
            "erlexec",
            "scala",
            "fish",
            "csh",
            "uwsgi",
        ),
        _find_nothing,
    ),
    **dict.fromkeys(
        ("tcsh", "pwsh", "r", "awk", "gawk", "mawk", "expect", "irb", "jshell"), _find_nothing
    ),
}


@lru_cache(maxsize=4096)
def find_interpreter(executable_name: str) -> Finder | None:
    """How the interpreter of this file name finds its program; None for what is no interpreter.
    Versions count not: `python3.11`, `php8.2`, `php-fpm8.2`, `ruby3.1`, `java-17`."""
    name = executable_name.lower().removesuffix(".exe")
    return _FINDERS.get(name) or _FINDERS.get(_VERSION.sub("", name))
