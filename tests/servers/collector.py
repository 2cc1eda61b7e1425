"""A collector of spans by OTLP over HTTP: it keeps what it was sent, byte by byte."""

from __future__ import annotations

import socket
import threading


class Collector:
    """A server that takes spans and answers them, or takes them and says nothing."""

    def __init__(self, *, silent: bool) -> None:
        self.received = b""
        self._silent, self._socket = silent, socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Collector:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def _serve(self) -> None:
        held = []
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                break
            held.append(connection)
            if not self._silent:
                connection.settimeout(1)
                try:
                    while data := connection.recv(65536):
                        self.received += data
                        if len(data) < 65536:
                            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                except OSError:
                    pass
        for connection in held:
            connection.close()
