"""The section global."""

from __future__ import annotations

from typing import Final

from greenlb.config import inert, refused
from greenlb.config.options import Keywords, Option, Table
from greenlb.config.schema.binds import BIND_DEFAULTS
from greenlb.config.schema.lines import LOG_SYNTAX
from greenlb.config.schema.runtime import RUNTIME
from greenlb.config.schema.servers import SERVER_DEFAULTS
from greenlb.config.schema.tls import CIPHERS, CIPHERSUITES, CURVES, FILE
from greenlb.config.values import (
    Account,
    Automatic,
    Choice,
    Flag,
    Integer,
    Line,
    Matching,
    Sentence,
    Size,
    Switch,
    Text,
    Timeout,
)

_G: Final = ("global",)

GLOBAL: Final = Table(
    "option",
    (
        Option(
            name="workers",
            where=_G,
            kind=Automatic(0, 64, unit="processes"),
            field="workers",
            default="auto (one a core)",
            doc="greenlb's own: how many processes carry the traffic.  They share listeners, limits and "
            "counters and behave as one.  0: everything in one process, without a master.",
            example="2",
        ),
        Option(
            name="worker-timeout",
            where=_G,
            kind=Timeout(),
            field="worker_timeout",
            default="10s",
            doc="greenlb's own: a worker that did nothing for so long hangs; it is killed and replaced, and "
            "the log shows where it hung.",
            example="30s",
        ),
        Option(
            name="hard-stop-after",
            where=_G,
            kind=Timeout(),
            field="hard_stop_after",
            default="none",
            doc="How long a graceful stop, or a former worker after a reload, may wait for its connections.",
            example="30s",
        ),
        Option(
            name="daemon",
            where=_G,
            kind=Flag(),
            field="daemon",
            default="no",
            doc="Go into the background once everything serves; the exit status tells whether it does.",
            example="yes",
        ),
        Option(
            name="pidfile",
            where=_G,
            kind=FILE,
            field="pidfile",
            default="none",
            doc="The master's process id is written there.  The flag -p comes before it.",
            example="/run/greenlb.pid",
        ),
        Option(
            name="user",
            where=_G,
            kind=Account("user"),
            field="uid",
            default="none",
            doc="Who workers and control run as.  The master stays who started it: it binds, opens logs and "
            "certificates, and reloads.",
            example="root",
        ),
        Option(
            name="group",
            where=_G,
            kind=Account("group"),
            field="gid",
            default="none",
            doc="The group of workers and control.",
            example="root",
        ),
        Option(
            name="uid",
            where=_G,
            kind=Integer(0),
            field="uid",
            default="none",
            doc="As user, by number.",
            example="65534",
        ),
        Option(
            name="gid",
            where=_G,
            kind=Integer(0),
            field="gid",
            default="none",
            doc="As group, by number.",
            example="65534",
        ),
        Option(
            name="chroot",
            where=_G,
            kind=Text("FOLDER", "the path of a folder"),
            field="chroot",
            default="none",
            doc="Workers and control see this folder, which should be empty, as the whole file system.  What "
            "they need from outside, such as a log socket that was made anew, the master opens for them.",
            example="/var/lib/greenlb",
        ),
        Option(
            name="ulimit-n",
            where=_G,
            kind=Integer(1, unit="descriptors"),
            field="ulimit_n",
            default="none (worked out from maxconn)",
            doc="The limit on open files of each worker.",
            example="20000",
        ),
        Option(
            name="maxconn",
            where=_G,
            kind=Integer(0, unit="connections"),
            field="maxconn",
            default="0 (from the limit on open files)",
            doc="How many client connections the process serves at a time; the rest wait in the kernel.",
            example="4000",
        ),
        Option(
            name="log",
            where=_G,
            kind=Line(LOG_SYNTAX, "an address and a facility"),
            field="log_targets",
            many=True,
            doc="Where log lines go: an address (UDP, port 514 if none is given), the path of a unix socket, "
            "stdout, stderr, fd@N, or a file (a path where no socket lies, or file@PATH).  A file, stdout "
            "and stderr need no facility.  Only lines of LEVEL or more severe are sent, and none as more "
            "severe than MINLEVEL.",
            example="127.0.0.1 local0",
        ),
        Option(
            name="log-tag",
            where=_G,
            kind=Text("TAG", "a tag for syslog"),
            field="log_tag",
            default="haproxy",
            doc="The name that log lines bear; filters made for HAProxy look for haproxy.",
            example="haproxy",
        ),
        Option(
            name="log-send-hostname",
            where=_G,
            kind=Switch(Text("NAME", "a host name"), on=True),
            field="log_send_hostname",
            default="no",
            doc="Log lines in the local format bear the host's name, or this one.",
            example="yes",
        ),
        Option(
            name="node",
            where=_G,
            kind=Matching("NAME", "a name of letters, digits, '-', '_' and '.'", r"[A-Za-z0-9_.-]+"),
            field="node",
            default="the host's name",
            doc="The name of this node on statistics pages.",
            example="lb1",
        ),
        Option(
            name="description",
            where=_G,
            kind=Sentence("a description"),
            field="description",
            doc="What statistics pages say of it.",
            example="Balancers of the shop",
        ),
        Option(
            name="spread-checks",
            where=_G,
            kind=Integer(0, 50, "per cent"),
            field="spread_checks",
            default="0",
            doc="How much the times between health checks vary, so that they do not all come at once.",
            example="5",
        ),
        Option(
            name="max-spread-checks",
            where=_G,
            kind=Timeout(),
            field="max_spread_checks",
            default="none",
            doc="The time over which the first checks after the start are spread at most, where there are "
            "many servers.",
            example="1s",
        ),
        Option(
            name="external-check",
            where=_G,
            kind=Flag(),
            field="external_check",
            default="no",
            doc="Programs may be run by option external-check.",
            example="yes",
        ),
        Option(
            name="state-dir",
            where=_G,
            kind=Text("FOLDER", "the path of a folder"),
            field="state_dir",
            doc="Where stick tables are kept over restarts; it is made, for the process's user alone, if "
            "need be.  Without it they lie in a folder of this configuration's own: as root in "
            "/var/lib/greenlb, else in $XDG_STATE_HOME/greenlb or where temporary files are.",
            example="/var/lib/greenlb",
        ),
        Option(
            name="tune.bufsize",
            where=_G,
            kind=Size(1024, 1 << 24),
            field="bufsize",
            default="16384",
            doc="The room for a head and the pieces of a body; a longer head is answered 414 or 431.",
            example="16384",
        ),
        Option(
            name="tune.maxrewrite",
            where=_G,
            kind=Size(0, 1 << 24),
            field="maxrewrite",
            default="1024",
            doc="How much of tune.bufsize is kept free for what rules add to a head.",
            example="1024",
        ),
        Option(
            name="tune.http.maxhdr",
            where=_G,
            kind=Integer(1, 32767, "fields"),
            field="maxhdr",
            default="101",
            doc="How many header fields a head may have.",
            example="101",
        ),
        Option(
            name="tune.http-parser",
            where=_G,
            kind=Choice("plain", "h11"),
            field="http_parser",
            default="plain",
            doc="greenlb's own: plain reads everyday heads by a fast lane and the others by h11, h11 reads "
            "all of them by h11.  Both accept the same.",
            example="h11",
        ),
        Option(
            name="crt-base",
            where=_G,
            kind=Text("FOLDER", "the path of a folder"),
            doc="Where crt files lie whose path is relative.",
            example="/etc/greenlb/certs",
        ),
        Option(
            name="ca-base",
            where=_G,
            kind=Text("FOLDER", "the path of a folder"),
            doc="Where ca-file and crl-file files lie whose path is relative.",
            example="/etc/greenlb/ca",
        ),
        Option(
            name="ssl-default-bind-ciphers",
            where=_G,
            kind=CIPHERS,
            doc="The ciphers of every bind that has none of its own.",
            example="ECDHE+AESGCM:ECDHE+CHACHA20",
        ),
        Option(
            name="ssl-default-bind-ciphersuites",
            where=_G,
            kind=CIPHERSUITES,
            doc="The ciphersuites of every bind that has none of its own.",
            example="TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384",
        ),
        Option(
            name="ssl-default-bind-curves",
            where=_G,
            kind=CURVES,
            doc="The curves of every bind that has none of its own.",
            example="X25519:P-256",
        ),
        Option(
            name="ssl-default-bind-options",
            where=_G,
            kind=Keywords(BIND_DEFAULTS, "KEYWORD..."),
            default="ssl-min-ver TLSv1.2",
            doc="Keywords that hold for every bind that does not say otherwise.",
            example="ssl-min-ver TLSv1.2 no-tls-tickets",
        ),
        Option(
            name="ssl-default-server-ciphers",
            where=_G,
            kind=CIPHERS,
            doc="The ciphers of every server that has none of its own.",
            example="ECDHE+AESGCM:ECDHE+CHACHA20",
        ),
        Option(
            name="ssl-default-server-ciphersuites",
            where=_G,
            kind=CIPHERSUITES,
            doc="The ciphersuites of every server that has none of its own.",
            example="TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384",
        ),
        Option(
            name="ssl-default-server-curves",
            where=_G,
            kind=CURVES,
            doc="The curves of every server that has none of its own.",
            example="X25519:P-256",
        ),
        Option(
            name="ssl-default-server-options",
            where=_G,
            kind=Keywords(SERVER_DEFAULTS, "KEYWORD..."),
            doc="Keywords that hold for every server that does not say otherwise.",
            example="ssl-min-ver TLSv1.2",
        ),
        Option(
            name="ssl-server-verify",
            where=_G,
            kind=Choice("none", "required"),
            default="required",
            doc="What verify is for every server that does not say it.",
            example="required",
        ),
        *RUNTIME,
    ),
    refused.reasons(refused.GLOBAL, inert.GLOBAL),
)

# --- frontends, backends, listens and their defaults -----------------------------------------------------
