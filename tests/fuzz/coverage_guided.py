"""The targets under atheris, which looks for inputs that reach new code.

`python -m fuzz.coverage_guided TARGET SECONDS SEED PREFIX` with tests/ on the path. libFuzzer writes an input that
breaks a target to a file whose name begins with PREFIX, prints that name and ends with a status of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris

_MODULES = ["chainwatch_agent", "chainwatch_collector.read", "chainwatch_collector.receive.messages"]


def main(arguments: list[str]) -> None:
    """Fuzz one target for so many seconds. Does not return."""
    name, seconds, seed, prefix = arguments
    with atheris.instrument_imports(include=_MODULES):
        from fuzz import samples, targets

    def once(data: bytes) -> None:
        targets.TARGETS[name](data)

    with TemporaryDirectory(prefix="chainwatch-fuzz-") as corpus:
        for number, data in enumerate(samples.samples_of(name)):
            (Path(corpus) / str(number)).write_bytes(data)
        limits = [f"-max_total_time={seconds}", "-rss_limit_mb=1024", "-max_len=65536", "-timeout=30"]
        atheris.Setup([sys.argv[0], *limits, f"-seed={seed}", f"-artifact_prefix={prefix}", corpus], once)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
