"""A server that says one thing: what a health check, or an agent's, is told."""

from __future__ import annotations

import socket
import threading

from tests.support.stream import WAIT


class Scripted:
    """It reads something (unless it ``speaks`` first), sends ``answer`` and closes; None: it says nothing for
    as long as it is let.  ``answer`` may change."""

    def __init__(self, answer: bytes | None, *, speaks: bool = False) -> None:
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.sock.getsockname()[1]
        self.answer = answer
        self.heard: list[bytes] = []
        self._speaks = speaks
        self._held: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(sock,), daemon=True).start()

    def _one(self, sock: socket.socket) -> None:
        sock.settimeout(WAIT)
        try:
            if not self._speaks:
                self.heard.append(sock.recv(65536))
            if self.answer is None:
                self._held.append(sock)
                return
            sock.sendall(self.answer)
            sock.shutdown(socket.SHUT_WR)
            sock.recv(65536)
            sock.close()
        except OSError:
            sock.close()

    def close(self) -> None:
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        self._thread.join(WAIT)
        for held in self._held:
            held.close()
