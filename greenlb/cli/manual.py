"""greenlb.1, made from the tables of flags and of commands.

Printed by ``python -m greenlb.cli.manual > conf/man/greenlb.1``.
"""

from __future__ import annotations

import sys

from greenlb import __version__
from greenlb.cli.commands import COMMANDS, Command
from greenlb.cli.flags import FLAGS, Flag

HEAD = r""".\" Made by python -m greenlb.cli.manual from the tables of flags and commands; do not edit.
.TH GREENLB 1 "" "greenlb {version}" "greenlb"
.SH NAME
greenlb \- a TCP and HTTP load balancer that speaks HAProxy's vocabulary
.SH SYNOPSIS
.B greenlb
.RB [ \-q | \-V ]
.B \-f
.I FILE\fR|\fIFOLDER
\&...
.br
.B greenlb \-c
.RB [ \-q ]
.RB [ \-dW ]
.B \-f
.I FILE\fR|\fIFOLDER
\&...
.br
.B greenlb \-v\fR|\fB\-vv\fR|\fB\-h
.br
.B greenlb
.I COMMAND
\&...
.SH DESCRIPTION
greenlb stands in front of web servers: it ends TLS, edits headers, picks a server for each request,
keeps a client on its server by a cookie, passes plain TCP through, watches the servers' health and logs
a line for every request in HAProxy's format.
.PP
It is told what to do by an INI file whose sections and options are HAProxy's; see
.BR greenlb.ini (5).
A haproxy.cfg is read as it is.
What follows
.B \-\-
on the command line is read as if each word had
.B \-f
before it.
.SH OPTIONS
"""

TAIL = r""".SH EXIT STATUS
.TP
.B 0
It served until it was told to stop; with
.BR \-c ,
the configuration is valid.
.TP
.B 1
It could not start, the configuration has errors, or the command line makes no sense.
.TP
.B 2
With
.BR \-c :
the configuration has no error but nothing to listen on.
.SH SIGNALS
.TP
.BR SIGUSR1
Stop listening, let the requests and connections that are under way end, then exit.
.TP
.BR SIGTERM ", " SIGINT
Stop at once.
.SH EXAMPLES
Check a configuration, then run it:
.PP
.RS
.nf
greenlb \-c \-f /etc/greenlb/greenlb.ini
greenlb \-f /etc/greenlb/greenlb.ini
.fi
.RE
.SH SEE ALSO
.BR greenlb.ini (5),
.BR haproxy (1),
.BR halog (1)
"""


def page() -> str:
    """The whole page, as troff."""
    flags = "".join(map(_entry, FLAGS))
    commands = "".join(map(_command, COMMANDS.values()))
    return HEAD.replace("{version}", __version__) + flags + ".SH COMMANDS\n" + commands + TAIL


def _command(command: Command) -> str:
    arguments = f"\\fI{_escape(command.arguments)}\\fR"
    return f".TP\n\\fBgreenlb {_escape(command.name)}\\fR {arguments}\n{_escape(command.long)}\n"


def _entry(flag: Flag) -> str:
    argument = f" \\fI{_escape(flag.argument)}\\fR" if flag.argument else ""
    return f".TP\n\\fB{_escape(flag.name)}\\fR{argument}\n{_escape(flag.long)}\n"


def _escape(text: str) -> str:
    """Text as troff: a backslash and a dash mean themselves, two spaces between sentences become a line."""
    return text.replace("\\", "\\e").replace("-", "\\-").replace(".  ", ".\n")


if __name__ == "__main__":
    sys.stdout.write(page())
