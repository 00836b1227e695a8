"""The corpora's reader is of the collector's Python."""

import sys

collect_ignore_glob = ["test_*.py"] if sys.version_info < (3, 11) else []
