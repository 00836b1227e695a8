"""Pools as configured: addresses, trust, secrets in files that others cannot read."""

from pathlib import Path

import pytest
from chainwatch_collector.config_file import ConfigError
from chainwatch_collector.inventory.dial import SecretError
from chainwatch_collector.inventory.pool_config import PoolSettings, bare_address, load_pools

BASE = 'addresses = ["https://10.0.0.1", "xcp2:444"]\nusername = "cw"\npassword_file = "one.pw"\n'


def write(directory: Path, more: str = "", name: str = "one.toml") -> Path:
    path = directory / name
    path.write_text(BASE + more)
    return path


def pool(directory: Path, more: str = "") -> PoolSettings:
    write(directory, more)
    return load_pools(directory)[0]


def secret(directory: Path, text: str, mode: int = 0o600) -> Path:
    path = directory / "one.pw"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_pool(tmp_path: Path) -> None:
    secret(tmp_path, "pass word\n")
    made = pool(tmp_path, 'ca_file = "ca.pem"')
    assert (made.key, made.bare_addresses, made.password()) == ("one", ("10.0.0.1", "xcp2:444"), "pass word")
    assert made.trust().ca_file == tmp_path / "ca.pem"
    assert "pass word" not in repr(made) + repr(made.credentials())


def test_when_a_picture_is_checked(tmp_path: Path) -> None:
    assert pool(tmp_path).check_pace.every == 12 * 3600
    assert pool(tmp_path, "self_check_hours = 0.5").check_pace.every == 1800
    assert pool(tmp_path, "self_check_hours = 0").check_pace.every == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('fingerprints = ["ab"]', "fingerprints: 'ab' is no SHA-256 fingerprint"),
        ('insecure = true\nca_file = "x"', "ca_file, fingerprints and insecure exclude each other: keep one"),
        ('password = "oh"', "password: unknown key; did you mean password_file?"),
        ("insecure = 'yes'", "insecure: should be a valid boolean"),
        ("self_check_hours = -1", "self_check_hours: should be greater than or equal to 0"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, more: str, message: str) -> None:
    path = write(tmp_path, more)
    with pytest.raises(ConfigError) as raised:
        load_pools(tmp_path)
    assert str(raised.value).startswith(f"{path}: {message}")


def test_two_pools_of_one_name(tmp_path: Path) -> None:
    write(tmp_path, 'name = "two"')
    write(tmp_path, name="two.toml")
    with pytest.raises(ConfigError, match=r"two\.toml: name: 'two' is the pool of .*one\.toml too"):
        load_pools(tmp_path)
    assert load_pools(tmp_path / "none") == []


@pytest.mark.parametrize("text", ["", "http://x", "https://", "root@x", "x/y", "x:port", "a b"])
def test_no_addresses(text: str) -> None:
    with pytest.raises(ValueError, match="is no address"):
        bare_address(text)


@pytest.mark.parametrize("text", ["fe80::1", "[fe80::1]:443", "xcp1.example"])
def test_addresses(text: str) -> None:
    assert bare_address(f"https://{text}/") == text


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        ("pa55word", 0o640, "others may read it: chmod 600"),
        ("pa55word", 0o604, "others may read it: chmod 600"),
        ("", 0o600, "should hold one line"),
        ("a\nb\n", 0o600, "should hold one line"),
        ("x" * 5000, 0o600, "should hold one line"),
    ],
)
def test_secrets_that_are_refused(tmp_path: Path, text: str, mode: int, message: str) -> None:
    path = secret(tmp_path, text, mode)
    with pytest.raises(SecretError, match=message) as raised:
        pool(tmp_path).password()
    assert str(path) in str(raised.value)
    assert text == "" or text not in str(raised.value)


def test_a_secret_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match=r"one\.pw: No such file or directory: write the password there, mode 0600"):
        pool(tmp_path).password()


def test_a_systemd_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = BASE.replace("one.pw", "${CREDENTIALS_DIRECTORY}/prod")
    (tmp_path / "one.toml").write_text(text)
    made = load_pools(tmp_path)[0]
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(SecretError, match="set LoadCredential= in the unit"):
        made.password()
    (tmp_path / "prod").write_text("from systemd")
    (tmp_path / "prod").chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert made.password() == "from systemd"
