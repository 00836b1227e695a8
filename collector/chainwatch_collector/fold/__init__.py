"""The live pipeline per pool: evidence read on from a cursor, tracked, judged, and committed in one transaction.

`part.FoldPart` plugs it into the collector, with one thread for all pools. `host_fold` and `pool_fold` decide and
touch nothing; `pool_driver` reads and commits.
"""
