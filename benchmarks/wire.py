"""What crosses the broker: a listener that binds a queue of its own to every exchange, and counts."""

import threading
from collections import Counter
from typing import Self

import pika

from pipeline.stages import STAGES


class Wire:
    """Messages and bytes, by queue, while the block lasts."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ending = threading.Event()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="wire")
        self.messages: Counter[str] = Counter()
        self.octets: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._listening.wait(30):
            raise TimeoutError("the broker does not let us listen")
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _listen(self) -> None:
        connection = pika.BlockingConnection(pika.URLParameters(self._url))
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        for stage in STAGES.values():
            channel.queue_bind(queue, stage.queue, stage.queue)
        self._listening.set()
        for method, _, octets in channel.consume(queue, auto_ack=True, inactivity_timeout=0.2):
            if method is None or octets is None:
                if self._ending.is_set():
                    break
                continue
            self.messages[str(method.exchange)] += 1
            self.octets[str(method.exchange)] += len(octets)
        connection.close()
