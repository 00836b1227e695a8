"""What a refused rescan says is what an operator can type."""

import re
from pathlib import Path

from chainwatch_collector.serve.settings import load
from chainwatch_collector.show.app import build_app
from chainwatch_collector.show.rescan import SWITCHED_OFF
from chainwatch_collector.show.settings import ShowSettings
from collector.show.estate import estate
from collector.show.serving import NamedGuard
from fastapi.testclient import TestClient

DOCS = Path(__file__).parents[3] / "docs" / "operating.md"


def test_a_rescan_that_is_off_names_the_setting_as_configuration_and_docs_have_it(tmp_path: Path) -> None:
    app = build_app(estate(), NamedGuard(), ShowSettings())
    with TestClient(app, headers={"Authorization": "Bearer admin"}) as client:
        error = client.post("/api/v1/sr/local-1/rescan").json()["error"]
    assert error["code"] == "not_configured"
    assert SWITCHED_OFF in error["message"]
    told = re.search(r"write (\w+ = \w+) below (\[\w+\]) in collector\.toml", error["message"])
    assert told is not None
    text = f"{told[2]}\n{told[1]}\n"
    assert text in DOCS.read_text(encoding="utf-8")
    path = tmp_path / "collector.toml"
    path.write_text(text)
    assert load(path).rescan.enabled
