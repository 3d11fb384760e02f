"""For those who operate the service: probes, metrics, logs."""
