"""`make bench [ONLY=MODULE]`: every module here that has `figures()`, a table, and `bench/latest.json`."""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
from pathlib import Path

import bench
from bench.figures import Figure, machine, table

LATEST = Path(__file__).resolve().parents[2] / "bench" / "latest.json"


def main() -> int:
    """0 where every figure meets its goal."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="one module of tests/bench")
    only = parser.parse_args().only
    figures: list[Figure] = []
    for found in pkgutil.iter_modules(bench.__path__):
        if found.name.startswith("_") or only not in ("", found.name):
            continue
        module = importlib.import_module(f"bench.{found.name}")
        if hasattr(module, "figures"):
            print(f"bench: {found.name}", file=sys.stderr, flush=True)
            figures += module.figures()
    print(machine())
    print("\n".join(table(figures)))
    LATEST.parent.mkdir(exist_ok=True)
    LATEST.write_text(json.dumps({"machine": machine(), "figures": figures}, indent=1) + "\n")
    return 0 if all(one["met"] for one in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
