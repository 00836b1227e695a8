"""REST, web, metrics, gRPC queries and notifications over one read model; no answer is computed here."""
