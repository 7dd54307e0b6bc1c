"""Tables of options: looking up, reading keywords of a line, refusing."""

import pytest

from greenlb.config.options import Option, Table
from greenlb.config.values import ConfigError, Flag, Integer, Text

TABLE = Table(
    "keyword",
    (
        Option(name="ssl", kind=Flag(), field="ssl", doc="."),
        Option(name="no-ssl", kind=Flag(False), field="ssl", doc="."),
        Option(name="crt", kind=Text(), field="crt", many=True, doc="."),
        Option(name="weight", kind=Integer(0, 256), field="weight", doc="."),
    ),
    {"send-proxy": "", "npn": "use 'alpn'"},
)


def test_keywords_fill_fields_and_the_last_one_counts():
    words = ["ssl", "crt", "a", "weight", "5", "crt", "b", "no-ssl", "weight", "6"]
    assert TABLE.read(words) == {"ssl": False, "crt": ["a", "b"], "weight": 6}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["wieght"], "unknown keyword 'wieght' (did you mean 'weight'?)"),
        (["xyzzy"], "unknown keyword 'xyzzy': expected one of ssl, no-ssl, crt, weight"),
        (["weight"], "'weight' expects a number from 0 to 256"),
        (["weight", "x"], "'weight': expected a number from 0 to 256, not 'x'"),
        (["send-proxy"], "'send-proxy' is not supported by this version of greenlb"),
        (["npn"], "'npn' is not supported by this version of greenlb: use 'alpn'"),
    ],
)
def test_refused(words, message):
    with pytest.raises(ConfigError) as raised:
        TABLE.read(words)
    assert str(raised.value) == message
