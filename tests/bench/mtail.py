"""mtail as the peer of the selection: the floor's idents and literals as its patterns, behind one guard."""

from __future__ import annotations

import json
import re
import resource
import shutil
import subprocess
from pathlib import Path

from chainwatch_agent.message_heads import ANY, is_open
from chainwatch_agent.policy import FLOOR, SMLOG, part_for

REPOSITORY = Path(__file__).resolve().parents[2]


def binary() -> str | None:
    """Where it is, None where it is not (`scripts/setup-system bench` gets it)."""
    own = REPOSITORY / ".venv" / "bin" / "mtail"
    return str(own) if own.exists() else shutil.which("mtail")


def cpu_seconds(mtail: str, log: Path, folder: Path) -> float:
    """What reading `log` once costs. Raises `RuntimeError` where it found nothing: the program would be wrong."""
    program = folder / "floor.mtail"
    program.write_text(_program())
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [mtail, "--one_shot", "--progs", str(program), "--logs", str(log), "--log_dir", str(folder)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if not _total(out):
        raise RuntimeError(f"mtail found nothing in {log}: {out[:500]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _program() -> str:
    part = part_for(FLOOR, SMLOG)
    patterns = [f" {ident.decode()}: " for ident in part.idents]
    patterns += [_pattern(literal) for literal in part.literals]
    inner = "\n".join(f'  /{pattern}/ {{\n    found["{number}"]++\n  }}' for number, pattern in enumerate(patterns))
    return f"counter found by what\n\n/{'|'.join(patterns)}/ {{\n{inner}\n}}\n"


def _pattern(literal: bytes) -> str:
    text = re.escape(literal.decode()).replace("/", r"\/").replace(r"\ ", " ").replace(r"\'", "'")
    hole = re.escape(ANY.decode())
    return re.sub(f"(?:{re.escape(hole)})+", ".{36}", text) if is_open(literal) else text


def _total(out: str) -> int:
    found, _ = json.JSONDecoder().raw_decode(out[out.index("[") :])
    values = [label["Value"]["Value"] for metric in found for label in metric.get("LabelValues") or []]
    return sum(int(value) for value in values)
