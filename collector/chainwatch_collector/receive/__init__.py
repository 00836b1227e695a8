"""The gRPC ingest service: identity, limits, acknowledge after commit. It never parses a log."""
