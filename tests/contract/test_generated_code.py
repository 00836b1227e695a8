"""The committed gRPC code is what the .proto files say."""

import filecmp
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_committed_code_is_what_the_proto_files_generate(tmp_path: Path) -> None:
    subprocess.run([ROOT / "scripts/generate-proto", tmp_path], check=True, cwd=ROOT)
    fresh = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*.py*"))
    assert fresh
    different = [str(p) for p in fresh if not filecmp.cmp(tmp_path / p, ROOT / "proto/gen" / p, shallow=False)]
    assert different == [], "run `make proto` and commit the result"
