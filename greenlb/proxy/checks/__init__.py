"""Health checks: one module a kind of probe, and what runs them."""
