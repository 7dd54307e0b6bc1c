"""greenlb: a TCP and HTTP load balancer that speaks HAProxy's vocabulary."""

__version__ = "0.1.0"
