"""REST `/api/v1`: one router per subject, all over the same bodies."""
