"""What clients offer, from the hellos that real TLS stacks write."""

import ssl

import pytest
from chainwatch_collector.serve.client_hello import MOST_BYTES, IncompleteError, alpn, speaks
from hypothesis import given, settings
from hypothesis import strategies as st


def hello(*protocols: str, name: str = "collector.example") -> bytes:
    """The first bytes of a TLS client that offers these."""
    context = ssl.create_default_context()
    if protocols:
        context.set_alpn_protocols(protocols)
    sent = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


@pytest.mark.parametrize(
    ("offered", "kind"),
    [
        (("h2",), "grpc"),
        (("grpc-exp", "h2"), "grpc"),
        (("h2", "http/1.1"), "http"),
        (("http/1.1",), "http"),
        ((), "http"),
    ],
)
def test_who_offers_http2_alone_speaks_grpc(offered: tuple[str, ...], kind: str) -> None:
    assert speaks(hello(*offered)) == kind


def test_without_tls_the_preface_tells() -> None:
    assert speaks(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == "grpc"
    assert speaks(b"GET / HTTP/1.1\r\n") == "http"
    assert speaks(b"POST / HTTP/1.1\r\n") == "http"


def test_any_beginning_of_a_hello_asks_for_more() -> None:
    whole = hello("h2", name="a" * 60)
    for end in range(len(whole)):
        with pytest.raises(IncompleteError):
            speaks(whole[:end])
    for beginning in (b"", b"P", b"PRI * HTT"):
        with pytest.raises(IncompleteError):
            speaks(beginning)


def test_a_hello_in_several_records_is_put_together() -> None:
    whole = hello("h2")
    body = whole[5:]
    pieces = [body[:50], body[50:]]
    assert speaks(b"".join(whole[:3] + len(piece).to_bytes(2, "big") + piece for piece in pieces)) == "grpc"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 250))
def test_nonsense_is_somebodys_http_or_asks_for_more(noise: bytes, at: int) -> None:
    damaged = hello("h2")[:at] + noise
    try:
        assert speaks(damaged) in ("grpc", "http")
    except IncompleteError:
        assert len(damaged) < MOST_BYTES
    alpn(b"\x01" + noise)
