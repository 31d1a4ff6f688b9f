"""A server as a context: it runs within, and no longer."""

from __future__ import annotations

from typing import Self


class Server:
    """What can be started and stopped."""

    def start(self) -> None:
        """Start it and return when it can be used."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop it in an orderly way, and remove what was only for this time."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
