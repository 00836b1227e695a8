"""One XenAPI session per pool, slim records, the live picture of a pool. Reads only."""
