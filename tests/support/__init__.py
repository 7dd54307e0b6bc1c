"""The harness of the wire tests: scripted ends of connections, the balancer under test, the oracle."""
