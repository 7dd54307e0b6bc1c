"""THE table of command-line flags: what is parsed, what the usage text says, what greenlb.1 says.

The flags are HAProxy's and so is the way they are read: one dash, whole words (``-vv`` is a flag of
its own, not ``-v`` twice), and what follows ``--`` is a configuration file.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Action = Literal["run", "check", "condition", "print", "version", "versions", "help"]


class UsageError(ValueError):
    """The command line makes no sense; the text says which word of it and what was expected."""


@dataclass(frozen=True, slots=True)
class Flag:
    """``name`` with its dash; ``argument`` as the manual prints it, empty when there is none.
    ``short`` is the line of the usage text, ``long`` the manual's paragraph."""

    name: str
    short: str
    long: str
    argument: str = ""


DEBUGGING = (
    ("-dM", "debugs memory", "memory is Python's; a byte or words may follow as in -dMno-merge"),
    ("-dG", "disables getaddrinfo() usage", "names are resolved by the system's resolver"),
    ("-dR", "disables SO_REUSEPORT usage", "it is what lets -sf take over"),
    ("-de", "disables epoll() usage", "the event loop is gevent's"),
    ("-dp", "disables poll() usage", "the event loop is gevent's"),
    ("-dD", "diagnostic mode", "what is suspicious is a warning always"),
    ("-dL", "dumps loaded object files", "-vv tells what greenlb stands on"),
)
"""Flags of HAProxy's that have no effect: name, line of the usage text, why."""

FLAGS = (
    Flag(
        "-f",
        "reads a configuration file, or every *.ini of a folder",
        "Read the configuration from this file, or from every file of this folder whose name ends in "
        ".ini, in the order of their names.  May be given many times: the files are read as if they "
        "were one, in the order given.",
        "FILE|FOLDER",
    ),
    Flag(
        "--wsgi",
        "serves a WSGI application, without a configuration file",
        "Serve this WSGI application, imported from the current folder, with a worker for each core and a "
        "log line for each request on standard output.  It takes the place of a configuration: -f does not "
        "go with it.",
        "MODULE:CALLABLE",
    ),
    Flag(
        "--bind",
        "where --wsgi listens",
        "Where --wsgi listens; without this flag, on 127.0.0.1:8000.  The words that may follow an address "
        "in bind may follow this one, in quotes.",
        "[ADDRESS]:PORT",
    ),
    Flag(
        "--tls",
        "has --wsgi speak TLS, with this certificate or one of its own",
        "Let --wsgi speak TLS, with the certificate and key of this PEM file.  Without a file, with a "
        "certificate that is made for this machine and signed by nobody; it is kept in ~/.cache/greenlb.",
        "[FILE]",
    ),
    Flag(
        "-c",
        "check mode : only checks the configuration and exits",
        "Check the configuration and exit.  Rules are compiled, host names are resolved and "
        'certificates are loaded, but no socket is opened.  Prints "Configuration file is valid" on '
        "standard output, or every error at once on standard error.",
    ),
    Flag(
        "-cc",
        "check condition : evaluates a condition and exits",
        "Evaluate a condition on greenlb itself, as .if in a haproxy.cfg has it, and exit: with 0 when it "
        "holds, with 1 when it does not, with 2 when it is none.  Unknown predicates do not hold.",
        "CONDITION",
    ),
    Flag(
        "--print",
        "prints the configuration with its inheritance worked out and exits",
        "Print the configuration as INI with its inheritance worked out, and exit.",
    ),
    Flag(
        "-D",
        "goes into the background once everything serves",
        "Go into the background, as daemon in [global] does: the prompt returns when everything serves, and "
        "the exit status tells whether it does.",
    ),
    Flag(
        "-W",
        "master-worker mode, as greenlb always has it",
        "Run a master that keeps the workers alive.  greenlb does so unless the configuration says "
        "workers = 0.  With the flag SIGINT ends it with status 130, without it by the signal.",
    ),
    Flag(
        "-Ws",
        "master-worker mode with systemd notify support",
        "As -W.  The service manager is told how greenlb stands wherever NOTIFY_SOCKET is set.",
    ),
    Flag(
        "-S",
        "opens the master's runtime socket",
        "Answer the commands of HAProxy's master socket at this address: show proc, reload, and @1 COMMAND "
        "for a command to the processes that serve.  After a comma may stand what may follow the address in "
        "stats socket.  Its clients may do everything.",
        "ADDRESS[,WORD]...",
    ),
    Flag(
        "-db",
        "disables background mode (daemon in the configuration)",
        "Stay in the foreground, even if the configuration says daemon.",
    ),
    Flag(
        "-d",
        "debug mode : one process, in the foreground",
        "Run everything in the process that was started, as workers = 0 has it, in the foreground.",
    ),
    Flag(
        "-C",
        "changes to this folder before loading files",
        "Change to this folder before anything is read.",
        "FOLDER",
    ),
    Flag(
        "-n",
        "sets the maximum total number of connections",
        "As maxconn in [global], before which it comes.",
        "MAXCONN",
    ),
    Flag(
        "-N",
        "sets the default, per-proxy maximum number of connections",
        "As maxconn in every frontend that does not say it.",
        "MAXCONN",
    ),
    Flag(
        "-L",
        "sets the local peer's name",
        "The value of HAPROXY_LOCALPEER in a haproxy.cfg.  There are no peers.",
        "NAME",
    ),
    Flag(
        "-x",
        "takes over from the process with this runtime socket",
        "The listening sockets are opened beside those of the other process, so that no connection is "
        "refused; -sf or -st end it.  The socket is not asked for anything.",
        "SOCKET",
    ),
    Flag(
        "-dr",
        "ignores server address resolution failures",
        "A server whose name has no address starts without one, where it has no init-addr of its own.",
    ),
    Flag(
        "-dV",
        "disables SSL verify on servers side",
        "As ssl-server-verify none in [global].",
    ),
    Flag(
        "-dS",
        "disables splice usage",
        "As nosplice in [global].",
    ),
    *(
        Flag(name, short, f"Without effect: {why}.  It is there for command lines written for HAProxy.")
        for name, short, why in DEBUGGING
    ),
    Flag(
        "-p",
        "writes the master's process id to this file",
        "Write the process id of the master to this file, whatever pidfile in [global] says.",
        "FILE",
    ),
    Flag(
        "-sf",
        "lets the processes with these ids finish once this one serves",
        "Once this process serves, send SIGUSR1 to the processes with these ids: they end when their "
        "connections have.  Reads every number that follows.",
        "PID...",
    ),
    Flag(
        "-st",
        "ends the processes with these ids once this one serves",
        "Once this process serves, send SIGTERM to the processes with these ids: they end at once.  Reads "
        "every number that follows.",
        "PID...",
    ),
    Flag(
        "-dW",
        "fails if any warning is emitted",
        "Treat a warning about the configuration as an error.",
    ),
    Flag(
        "-q",
        "quiet mode : displays no message",
        "Say nothing about the configuration, neither errors nor warnings; the exit status tells.",
    ),
    Flag(
        "-V",
        "verbose mode (disables quiet mode)",
        "Tell at start what will be listened on and which servers stand behind it.",
    ),
    Flag(
        "-v",
        "displays the version",
        "Print the version and exit.",
    ),
    Flag(
        "-vv",
        "displays the version and those of all that matters",
        "Print the version, those of Python and of every library that matters, and exit.",
    ),
    Flag(
        "-h",
        "displays this help",
        "Print the flags and exit.",
    ),
)

ALIASES = {"--help": "-h", "--version": "-v"}
"""What people type out of habit."""


@dataclass(slots=True)
class Options:
    """What a command line asked for.  ``files`` are the ``-f`` arguments as given, folders among them;
    ``wsgi`` is the application that is to be served instead, at ``bind``, with this ``certificate`` or one of
    our own for ``tls``.  ``mastered``: -W; ``unresolved``, ``unverified``, ``unspliced``: -dr, -dV, -dS."""

    action: Action = "run"
    files: list[str] = field(default_factory=list)
    wsgi: str = ""
    bind: str = "127.0.0.1:8000"
    tls: bool = False
    certificate: str = ""
    quiet: bool = False
    verbose: bool = False
    zero_warning: bool = False
    daemon: bool = False
    foreground: bool = False
    mastered: bool = False
    master_sockets: list[str] = field(default_factory=list)
    debug: bool = False
    folder: str = ""
    maxconn: int = 0
    proxy_maxconn: int = 0
    peer: str = ""
    unresolved: bool = False
    unverified: bool = False
    unspliced: bool = False
    condition: str = ""
    pidfile: str = ""
    finish: list[int] = field(default_factory=list)
    terminate: list[int] = field(default_factory=list)


class _Words:
    """The words that have not been read yet."""

    def __init__(self, words: Sequence[str]) -> None:
        self._left = list(words)

    def take(self) -> str | None:
        """The next one, if there is one."""
        return self._left.pop(0) if self._left else None

    def needed(self, otherwise: str) -> str:
        """The next one.  Raises UsageError, which says ``otherwise``."""
        word = self.take()
        if word is None:
            raise UsageError(otherwise)
        return word

    def number(self, flag: str) -> int:
        """The next one, a number above 0.  Raises UsageError."""
        word = self.needed(f"{flag} needs a number after it")
        if not word.isdecimal() or not int(word):
            raise UsageError(f"{flag} needs a number above 0 after it, not '{word}'")
        return int(word)

    def optional(self) -> str:
        """The next one, unless it is a flag; else empty."""
        return self._left.pop(0) if self._left and not self._left[0].startswith("-") else ""

    def rest(self) -> list[str]:
        left, self._left = self._left, []
        return left

    def numbers(self) -> list[int]:
        """All that follow and are numbers."""
        found = []
        while self._left and self._left[0].isdecimal():
            found.append(int(self._left.pop(0)))
        return found


def parse(arguments: Sequence[str]) -> Options:
    """The options of a command line (without the program's name).  Raises UsageError."""
    options = Options()
    words = _Words(arguments)
    while (word := words.take()) is not None:
        if word == "--":
            options.files += words.rest()
            break
        _apply(ALIASES.get(word, word), words, options)
        if options.action in ("condition", "help", "version", "versions"):
            return options
    if options.wsgi and options.files:
        raise UsageError("--wsgi takes the place of a configuration: it does not go with -f")
    if not options.files and not options.wsgi:
        raise UsageError("no configuration: -f FILE is missing")
    return options


_SWITCHES = {
    "-W": "mastered",
    "-Ws": "mastered",
    "-db": "foreground",
    "-d": "debug",
    "-D": "daemon",
    "-dW": "zero_warning",
    "-dr": "unresolved",
    "-dV": "unverified",
    "-dS": "unspliced",
}
"""Flags that stand for themselves -> what of the options they set."""
_ACTIONS: dict[str, Action] = {
    "-c": "check",
    "--print": "print",
    "-v": "version",
    "-vv": "versions",
    "-h": "help",
}
_WITHOUT_EFFECT = frozenset(name for name, _, _ in DEBUGGING)


def _apply(name: str, words: _Words, options: Options) -> None:
    if name in _SWITCHES:
        setattr(options, _SWITCHES[name], True)
    elif name in _ACTIONS:
        options.action = _ACTIONS[name]
    elif name not in _WITHOUT_EFFECT and not name.startswith("-dM"):
        _apply_word(name, words, options)


def _apply_word(name: str, words: _Words, options: Options) -> None:
    match name:
        case "-f":
            options.files.append(words.needed("-f needs a file or a folder after it"))
        case "--wsgi":
            options.wsgi = words.needed("--wsgi needs an application after it, such as shop.wsgi:app")
        case "--bind":
            options.bind = words.needed("--bind needs an address after it, such as :8000")
        case "--tls":
            options.tls, options.certificate = True, words.optional()
        case "-cc":
            condition = words.take()
            if condition is None:
                raise UsageError("-cc needs a condition after it")
            options.action, options.condition = "condition", condition
        case "-S":
            options.master_sockets.append(words.needed("-S needs an address after it"))
        case "-C":
            options.folder = words.needed("-C needs a folder after it")
        case "-n":
            options.maxconn = words.number(name)
        case "-N":
            options.proxy_maxconn = words.number(name)
        case "-L":
            options.peer = words.needed("-L needs a name after it")
        case "-x":
            words.needed("-x needs the path of a runtime socket after it")
        case "-p":
            options.pidfile = words.needed("-p needs a file after it")
        case "-sf":
            options.finish += words.numbers()
        case "-st":
            options.terminate += words.numbers()
        case "-q":
            options.quiet, options.verbose = True, False
        case "-V":
            options.quiet, options.verbose = False, True
        case _:
            raise UsageError(_unknown(name))


def _unknown(word: str) -> str:
    if not word.startswith("-"):
        return f"'{word}' is not a flag; a configuration file is given with -f {word}"
    near = difflib.get_close_matches(word, [flag.name for flag in FLAGS], n=1)
    return f"unknown flag '{word}'" + (f"; did you mean '{near[0]}'?" if near else "")


def usage() -> str:
    """The flags, in the layout of HAProxy's own usage text."""
    lines = [
        "Usage : greenlb [-f <file|folder>]* [ -cdDWVqv ] [ -n <maxconn> ] [ -N <maxconn> ] [ -p <file> ]",
        "        [ -C <folder> ] [ -sf|-st <pid>* ] [-- <file>*]",
    ]
    width = max(len(_heading(flag)) for flag in FLAGS)
    lines += [f"        {_heading(flag):<{width}} {flag.short}" for flag in FLAGS]
    return "\n".join(lines) + "\n"


def _heading(flag: Flag) -> str:
    return f"{flag.name} <{flag.argument.lower()}>" if flag.argument else flag.name
