"""A real load balancer in a test: ``with LoadBalancer(text, origins={...}) as lb:``.

The text is an INI file or a haproxy.cfg.  ``{name}`` in it is a port: that of the origin called ``name``,
else one that the kernel chooses for this balancer to listen on.  With pytest, the fixture ``greenlb`` starts
balancers that end with the test.
"""

from __future__ import annotations

from greenlb.testing.balancer import Answer, LoadBalancer
from greenlb.testing.origins import Origin, answering

__all__ = ["Answer", "LoadBalancer", "Origin", "answering"]
