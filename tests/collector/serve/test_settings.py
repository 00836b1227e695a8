"""collector.toml: what is wrong is one line with file, key and fix."""

from pathlib import Path

import pytest
from chainwatch_collector.serve.settings import ConfigError, load


def write(tmp_path: Path, text: str, name: str = "collector.toml") -> Path:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_an_empty_file_is_a_configuration(tmp_path: Path) -> None:
    settings = load(write(tmp_path, 'state_dir = "state"'))
    assert settings.ingest.listen == "127.0.0.1:8442"
    assert settings.web.listen == "127.0.0.1:8443"
    assert settings.database.database == str(tmp_path / "state" / "chainwatch.db")
    assert settings.ingest.limits().silent_seconds == 35


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stat_dir = '/x'", "stat_dir: unknown key; did you mean state_dir?"),
        ("[ingest]\nlisten_on = '1:2'", "ingest.listen_on: unknown key; did you mean listen?"),
        ("[ingest]\nqqq = 1", "ingest.qqq: unknown key; known here: certificate, client_ca, heartbeat_seconds, key,"),
        ("[ingest]\nmax_streams = 'many'", "ingest.max_streams: should be a valid integer"),
        ("[web]\nconnections_per_second = 0", "web.connections_per_second: should be greater than or equal to 1"),
        (
            "[web]\naddress_connections_per_second = 'all'",
            "web.address_connections_per_second: should be a valid number",
        ),
        ("[ingest]\nlisten = '8442'", "ingest.listen: '8442' is no address: write host:port, e.g. 127.0.0.1:8442"),
        ("database_url = 'mysql://x/y'", "database_url: mysql is not supported: use sqlite or postgresql"),
        ("database_url = 'sqlite://'", "database_url: a database in memory forgets: name a file"),
        ("log_level = 'loud'", "log_level: String should match"),
        ("state_dir = ", "not TOML: "),
        ("[thresholds]\nspace_lo_ratio = 1", "thresholds: space_lo_ratio: no such threshold; the nearest is"),
        ("source = 'x'", "source: unknown key"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as raised:
        load(path)
    assert str(raised.value).startswith(f"{path}: {message}")
    assert "\n" not in str(raised.value)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: no such file; write one or name another with --config"):
        load(tmp_path / "none.toml")


def test_pools_are_read_from_their_directory(tmp_path: Path) -> None:
    write(tmp_path, 'addresses = ["https://10.0.0.1"]\nusername = "cw"\npassword_file = "one.pw"', "pools.d/one.toml")
    (pool,) = load(write(tmp_path, "")).pools
    assert pool.addresses == ["https://10.0.0.1"]
    assert pool.path(pool.password_file) == tmp_path / "pools.d" / "one.pw"
    bad = write(tmp_path, 'addresses = []\nusername = "cw"\npassword = "oh"', "pools.d/two.toml")
    with pytest.raises(ConfigError) as raised:
        load(tmp_path / "collector.toml")
    assert str(raised.value).startswith(f"{bad}: ")
