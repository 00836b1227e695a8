"""Every table, the one writer, the readers, evidence and projections. It never interprets a line."""
