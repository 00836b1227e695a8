"""HTTP/1.1 as uvicorn speaks it, with a time for the head of a request and for a client that does not read: who drips a
head, says nothing, or takes no answer, is cut off.

uvicorn bounds the size of a head and the pause between two requests, not how long a head may take, nor an answer.
"""

import asyncio
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS: Final = 8.0
READER_SECONDS: Final = 60.0
# asyncio keeps half a megabyte for each client of TLS that does not read.
_UNREAD_BYTES: Final = 64 * 1024
# h11 bounds what of a head it has to keep, not one that comes whole: in pieces none does.
_PIECE_BYTES: Final = 16 * 1024


class TimedHttp(H11Protocol):
    """Per connection. `head_seconds` and `reader_seconds` are of the class, because uvicorn makes the instances."""

    head_seconds = HEAD_SECONDS
    reader_seconds = READER_SECONDS

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head_timer: asyncio.TimerHandle | None = None
        self._reader_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first head is awaited from now on."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(_UNREAD_BYTES)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """A head that began and has not ended is timed; nothing else is."""
        for at in range(0, len(data), _PIECE_BYTES):
            if not self.transport.is_closing():
                super().data_received(data[at : at + _PIECE_BYTES])
        if self.conn.their_state is not h11.IDLE:
            self._forget_head()
        elif self.conn.trailing_data[0]:
            self._expect_head()

    def pause_writing(self) -> None:
        """Buffers are full: the client must take some of it in time, also of a stream of events."""
        super().pause_writing()
        self._forget_reader()
        self._reader_timer = self.loop.call_later(self.reader_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It did."""
        super().resume_writing()
        self._forget_reader()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._forget_head()
        self._forget_reader()
        super().connection_lost(exc)
        # It refers to us: TLS states of a third of a megabyte each would wait for the garbage collector.
        self.cycle = None  # type: ignore[assignment]

    def _expect_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_seconds, self.transport.abort)

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _forget_reader(self) -> None:
        if self._reader_timer is not None:
            self._reader_timer.cancel()
            self._reader_timer = None
