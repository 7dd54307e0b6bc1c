"""What a unit of work costs in CPU time: greenlb beside HAProxy, nginx and Caddy."""
