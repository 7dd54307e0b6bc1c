"""What TLS keywords come to."""

import pytest

from greenlb.config.tls import check_protocols, merged, version_range
from greenlb.config.values import ConfigError


@pytest.mark.parametrize(
    ("given", "oldest", "expected"),
    [
        ({}, "TLSv1.2", ("TLSv1.2", "TLSv1.3")),
        ({}, "", ("", "")),
        ({"min_version": "TLSv1.3"}, "TLSv1.2", ("TLSv1.3", "TLSv1.3")),
        ({"min_version": "TLSv1.0"}, "TLSv1.2", ("TLSv1.0", "TLSv1.3")),
        ({"max_version": "TLSv1.2"}, "TLSv1.2", ("TLSv1.2", "TLSv1.2")),
        ({"without": ["SSLv3", "TLSv1.0", "TLSv1.1"]}, "TLSv1.2", ("TLSv1.2", "TLSv1.3")),
        ({"without": ["TLSv1.3"]}, "TLSv1.2", ("TLSv1.2", "TLSv1.2")),
        ({"without": ["TLSv1.0"], "min_version": "TLSv1.0"}, "TLSv1.2", ("TLSv1.1", "TLSv1.3")),
        ({"without": ["SSLv3"]}, "", ("", "")),
        ({"without": ["TLSv1.0"]}, "", ("TLSv1.1", "TLSv1.3")),
        ({"only": "TLSv1.2"}, "TLSv1.2", ("TLSv1.2", "TLSv1.2")),
    ],
)
def test_versions(given, oldest, expected):
    assert version_range(given, oldest) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"min_version": "TLSv1.3", "max_version": "TLSv1.2"},
            "no TLS version is left between TLSv1.3 and TLSv1.2",
        ),
        ({"without": ["TLSv1.2", "TLSv1.3"]}, "no TLS version is left"),
        ({"max_version": "TLSv1.1"}, "no TLS version is left between TLSv1.2 and TLSv1.1"),
        (
            {"min_version": "TLSv1.1", "without": ["TLSv1.2"]},
            "the TLS versions must follow each other, not TLSv1.1, TLSv1.3",
        ),
    ],
)
def test_no_versions(given, message):
    with pytest.raises(ConfigError) as raised:
        version_range(given, "TLSv1.2")
    assert message in str(raised.value)


def test_a_line_stands_over_its_defaults():
    defaults = {"only": "TLSv1.2", "tickets": False, "without": ["TLSv1.0"]}
    assert merged(defaults, {"tickets": True})["tickets"] is True
    assert merged(defaults, {})["only"] == "TLSv1.2"
    assert "only" not in merged(defaults, {"min_version": "TLSv1.3"})
    assert merged(defaults, {"only": "TLSv1.3", "min_version": "TLSv1.3"})["only"] == "TLSv1.3"
    assert merged(defaults, {"without": ["TLSv1.1"]})["without"] == ["TLSv1.0", "TLSv1.1"]


def test_http2_is_not_offered_by_a_proxy_that_reads_requests():
    check_protocols(("h2",), "tcp")
    check_protocols(("http/1.1", "http/1.0"), "http")
    with pytest.raises(ConfigError, match="'h2' is not supported"):
        check_protocols(("h2", "http/1.1"), "http")
