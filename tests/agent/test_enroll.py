"""Enrolment's parts on the Python that dom0 has; the whole of it is tests/e2e/test_enrolment.py."""

import io
import os
import stat
import sys

import pytest
from chainwatch_agent import openssl
from chainwatch_agent.__main__ import main
from chainwatch_agent.collector_web import Address, WebError, certificates_of, parse_address
from chainwatch_agent.config import ConfigError, load, parse
from chainwatch_agent.enroll import EnrollError, read_token
from chainwatch_agent.renew import seconds_left, signed_text
from chainwatch_agent.tls_files import TlsFileError, make_directories, read_text, tls_paths, with_addresses, write_whole

TOKEN = "cw1.{}.{}".format("A" * 43, "0f" * 32)


def test_a_token_is_the_last_word_of_a_file_or_of_stdin(
    tmp_path: "os.PathLike[str]", monkeypatch: pytest.MonkeyPatch
) -> None:
    path = os.path.join(str(tmp_path), "token")
    with open(path, "w") as stream:
        stream.write("token\n" + TOKEN + "\n")
    assert read_token(path) == (TOKEN, "0f" * 32)
    monkeypatch.setattr(sys, "stdin", io.StringIO(TOKEN))
    assert read_token("-").text == TOKEN


@pytest.mark.parametrize(
    "text", ["", "cw1", TOKEN + "0", TOKEN[:-1], TOKEN.replace("cw1", "cw2"), TOKEN + " x", "\x00"]
)
def test_what_is_no_token_is_named_by_its_file(tmp_path: "os.PathLike[str]", text: str) -> None:
    path = os.path.join(str(tmp_path), "token")
    with open(path, "w") as stream:
        stream.write(text)
    with pytest.raises(EnrollError, match="token: holds no enrolment token"):
        read_token(path)
    with pytest.raises(EnrollError, match="none: No such file"):
        read_token(os.path.join(str(tmp_path), "none"))


@pytest.mark.parametrize(
    ("text", "address"),
    [("c.example:8443", Address("c.example", 8443)), ("[::1]:443", Address("::1", 443)), (" a:1 ", Address("a", 1))],
)
def test_addresses(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize("text", ["", "a", "a:", ":1", "a:0", "a:65536", "a:b"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(WebError, match="write HOST:8443"):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "[collector]\naddresses = a:1\n"),
        ("# x\n[log]\nfiles = /var/log/SMlog", "# x\n[log]\nfiles = /var/log/SMlog\n[collector]\naddresses = a:1\n"),
        ("[collector]\n# addresses = b:2\n[log]\n", "[collector]\naddresses = a:1\n# addresses = b:2\n[log]\n"),
    ],
)
def test_the_collector_is_named_in_the_configuration_and_nothing_else_changes(text: str, expected: str) -> None:
    made = with_addresses(text, "a:1")
    assert made == expected
    assert parse("agent.conf", made.encode()).addresses == ("a:1",)


def test_before_enrolment_the_configuration_may_name_no_collector(tmp_path: "os.PathLike[str]") -> None:
    path = os.path.join(str(tmp_path), "agent.conf")
    assert load(path, enrolled=False).addresses == ()
    with open(path, "w") as stream:
        stream.write("[host]\nstate_dir = /x\n")
    assert load(path, enrolled=False).key == "/x/tls/key.pem"
    with pytest.raises(ConfigError, match="addresses: missing"):
        load(path)


def test_key_request_and_signature_are_made_by_openssl(tmp_path: "os.PathLike[str]") -> None:
    key = os.path.join(str(tmp_path), "key.pem")
    openssl.make_key(key)
    assert stat.S_IMODE(os.stat(key).st_mode) == 0o600
    with open(key) as stream:
        first = stream.read()
    assert "BEGIN EC PRIVATE KEY" in first
    openssl.make_key(key)
    with open(key) as stream:
        assert stream.read() != first
    request = openssl.make_request(key, "6a0e4b8e-6a40-4b66-bb0a-6d1f4b6a7a11")
    assert request.startswith("-----BEGIN CERTIFICATE REQUEST-----")
    assert openssl.sign(key, signed_text("challenge", request))
    with pytest.raises(openssl.OpensslError, match="openssl req failed: "):
        openssl.make_request(os.path.join(str(tmp_path), "none"), "x")


def test_without_openssl_one_line_says_so(tmp_path: "os.PathLike[str]", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(openssl.OpensslError, match="yum install openssl"):
        openssl.sign("key", b"")


def test_files_are_written_whole_in_a_directory_of_our_own(tmp_path: "os.PathLike[str]") -> None:
    settings = parse("agent.conf", "[host]\nstate_dir = {}\n".format(tmp_path).encode(), enrolled=False)
    paths = tls_paths(settings)
    make_directories(paths)
    os.chmod(os.path.dirname(paths.key), 0o755)
    make_directories(paths)
    assert stat.S_IMODE(os.stat(os.path.dirname(paths.key)).st_mode) == 0o700
    write_whole(paths.key, "one")
    write_whole(paths.key, "two")
    assert read_text(paths.key) == "two"
    assert os.listdir(os.path.dirname(paths.key)) == ["key.pem"]
    with pytest.raises(TlsFileError, match="ca.pem: No such file or directory: chainwatch-agent enroll makes it"):
        read_text(paths.ca)


def test_how_long_a_certificate_is_good() -> None:
    found = openssl.Validity("Nov 25 00:00:00 2026 GMT", "Nov 26 00:00:00 2026 GMT")
    assert seconds_left(found, 1795564800.0 + 3600) == (82800.0, 86400.0)
    with pytest.raises(WebError, match="dates are not understood"):
        seconds_left(openssl.Validity("", "x"), 0.0)


def test_certificates_of_a_text() -> None:
    assert certificates_of("hello") == []
    pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    found = certificates_of("x\n" + pem + pem)
    assert len(found) == 2
    assert found[0][1] == "709e80c88487a2411e1ee4dfb9f22a861492d20c4765150c0c794abd70f8147c"
    assert certificates_of(pem.replace("AAAA", "A")) == []


def test_wrong_usage_and_a_host_that_is_no_dom0(
    tmp_path: "os.PathLike[str]", capfd: "pytest.CaptureFixture[str]"
) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["enroll"])
    assert raised.value.code == 64
    token = os.path.join(str(tmp_path), "token")
    with open(token, "w") as stream:
        stream.write(TOKEN)
    config = os.path.join(str(tmp_path), "agent.conf")
    with open(config, "w") as stream:
        stream.write("[host]\nroot = {0}\nstate_dir = {0}/s\n".format(tmp_path))
    assert main(["enroll", "--config", config, "--collector", "localhost:1", "--token-file", token]) == 2
    assert "names no INSTALLATION_UUID: run this in dom0" in capfd.readouterr().err
    with open(config, "a") as stream:
        stream.write("[collector]\naddresses = localhost:1\n")
    assert main(["renew", "--config", config]) == 2
    assert "chainwatch-agent enroll makes it" in capfd.readouterr().err
