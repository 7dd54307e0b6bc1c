"""Kinds of value: what they read, and what they say of what they cannot."""

import ipaddress

import pytest

from greenlb.config import values
from greenlb.config.values import ConfigError


@pytest.mark.parametrize(
    ("kind", "words", "value"),
    [
        (values.Duration(), ["5s"], 5.0),
        (values.Duration(), ["1500"], 1.5),
        (values.Duration(), ["1m"], 60.0),
        (values.Duration(), ["2h"], 7200.0),
        (values.Duration(), ["1d"], 86400.0),
        (values.Duration(), ["1us"], 0.001),
        (values.Duration("s", whole_seconds=True), ["30"], 30),
        (values.Duration("s", whole_seconds=True), ["1500ms"], 2),
        (values.Timeout(), ["0"], None),
        (values.Timeout(), ["0s"], None),
        (values.Size(), ["200k"], 204800),
        (values.Size(), ["30K"], 30720),
        (values.Size(), ["1m"], 1048576),
        (values.Size(), ["16384"], 16384),
        (values.Integer(-5, 5), ["-5"], -5),
        (values.Choice("a", "b"), ["b"], "b"),
        (values.Flag(), ["yes"], True),
        (values.Flag(), ["On"], True),
        (values.Flag(), ["TRUE"], True),
        (values.Flag(), ["1"], True),
        (values.Flag(), ["no"], False),
        (values.Flag(), ["0"], False),
        (values.Token("NAME", "a name"), ["X-Client"], b"X-Client"),
        (values.Matching("NAME", "a name", values.NAME.pattern), ["a.b:c_d-1"], "a.b:c_d-1"),
        (values.Listed("A,B", "words"), ["h2,http/1.1"], ("h2", "http/1.1")),
        (values.Line("WORDS", "words"), ["a", "b"], ("a", "b")),
        (values.Switch(values.Integer(-9, 9), on=-1), ["yes"], -1),
        (values.Switch(values.Integer(-9, 9), on=-1), ["no"], None),
        (values.Switch(values.Integer(-9, 9), on=-1), ["1"], 1),
        (values.Switch(values.Text(), on=True), ["1"], True),
        (values.Switch(values.Text(), on=True), ["name"], "name"),
    ],
)
def test_read(kind, words, value):
    assert kind.read(words) == value


def test_networks():
    read = values.Networks().read(["10.0.0.0/8", "192.168.1.1", "2001:db8::/32"])
    assert read == tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "192.168.1.1/32", "2001:db8::/32")))


@pytest.mark.parametrize(
    ("kind", "words", "message"),
    [
        (
            values.Duration(),
            ["5x"],
            "expected a time such as 500ms, 5s or 1m (a bare number is milliseconds), not '5x'",
        ),
        (values.Duration(), ["1.5s"], "not '1.5s'"),
        (values.Duration(), ["-5"], "not '-5'"),
        (values.Duration(), ["٣s"], "not '٣s'"),
        (values.Duration(), ["25d"], "'25d' is too long: the longest time is 2147483647 ms (24.8 days)"),
        (values.Duration(positive=True), ["0"], "'0' must be more than 0"),
        (values.Size(), ["5t"], "not '5t'"),
        (values.Size(1024), ["100"], "expected a size from 1024 to"),
        (values.Integer(0, 256), ["257"], "expected a number from 0 to 256, not '257'"),
        (values.Integer(1), ["٣"], "expected a number of at least 1, not '٣'"),
        (values.Integer(), ["many"], "not 'many'"),
        (
            values.Choice("http", "tcp"),
            ["htpp"],
            "expected 'http' or 'tcp', not 'htpp' (did you mean 'http'?)",
        ),
        (
            values.Choice("a", refused=("z",)),
            ["z"],
            "'z' is not supported by this version of greenlb; expected 'a'",
        ),
        (values.Flag(), ["maybe"], "expected yes or no, not 'maybe'"),
        (values.Flag(), [], "expected yes or no"),
        (values.Flag(), ["yes", "no"], "expected one value, yes or no; 'no' is too much"),
        (values.Token("NAME", "the name of a field"), ["a b"], "expected the name of a field, not 'a b'"),
        (values.Matching("NAME", "a name", values.NAME.pattern), ["a/b"], "expected a name, not 'a/b'"),
        (values.Networks(), ["10.0.0.0/33"], "not '10.0.0.0/33'"),
        (values.Networks(), ["localhost"], "not 'localhost'"),
        (values.Networks(), [], "expected addresses or networks"),
        (values.Listed("A", "words"), ["a,,b"], "expected words, not 'a,,b'"),
        (values.Line("WORDS", "an action"), [], "expected an action"),
        (values.Switch(values.Integer(0, 9), on=1), ["maybe"], "expected yes, no or a number from 0 to 9"),
        (
            values.Switch(values.Choice("clf"), on=1),
            ["clv"],
            "expected yes, no or 'clf', not 'clv' (did you mean",
        ),
        (values.Switch(values.Integer(0, 9), on=1), [], "expected yes, no or a number from 0 to 9"),
    ],
)
def test_refused(kind, words, message):
    with pytest.raises(ConfigError) as raised:
        kind.read(words)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("words", "text"), [(["a"], "'a'"), (["a", "b"], "'a' or 'b'"), (["a", "b", "c"], "'a', 'b' or 'c'")]
)
def test_one_of(words, text):
    assert values.one_of(words) == text
