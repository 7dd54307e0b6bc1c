"""What shows and changes a running balancer: the runtime socket, the statistics page, the metrics."""
