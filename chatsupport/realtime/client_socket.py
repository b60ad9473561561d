"""A client's socket that eventlet's hub watches all the time, and not anew for each read."""

from __future__ import annotations

from typing import Any

from eventlet import hubs
from eventlet.greenio import GreenSocket
from eventlet.support.greenlets import getcurrent


class ClientSocket(GreenSocket):
    """Waits for bytes like eventlet's own socket, but saves two system calls a read: to watch it, and to stop watching.

    If bytes come that nobody waits for, the hub stops watching until somebody does. TLS has another class of sockets.
    """

    _listener: Any = None
    _reader: Any = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        del self.close  # Eventlet sets it to the method of the inner socket, which would hide ours.

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        """Read what comes. While the hub watches the socket, there is nothing to read yet."""
        if self._listener is not None:
            self._read_trampoline()
        data: bytes = super().recv(bufsize, flags)
        return data

    def close(self) -> None:
        """Close the socket."""
        self._stop_watching()
        self.fd.close()

    def _read_trampoline(self) -> None:
        if self.gettimeout() is not None:
            self._stop_watching()
            super()._read_trampoline()  # It knows the time.
            return
        hub = hubs.get_hub()
        if self._listener is None:
            self._listener = hub.add(hub.READ, self.fileno(), self._readable, self._interrupt, self._mark_as_closed)
        self._reader = getcurrent()
        try:
            hub.switch()
        finally:
            self._reader = None

    def _readable(self, _: int) -> None:
        """Let the reader go on. Only the hub calls this."""
        if self._reader is None:
            self._stop_watching()
        else:
            self._reader.switch()

    def _interrupt(self, error: BaseException) -> None:
        """Tell the reader that other code has closed the descriptor. Only the hub calls this."""
        if self._reader is not None:
            self._reader.throw(error)

    def _mark_as_closed(self) -> None:
        self._listener = None
        super()._mark_as_closed()

    def _stop_watching(self) -> None:
        if self._listener is not None:
            hubs.get_hub().remove(self._listener)
            self._listener = None
