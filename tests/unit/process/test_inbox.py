from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

from gevent.event import Event

from greenlb.process.channel import Channel, Message
from greenlb.process.inbox import Inbox


@contextmanager
def none_left() -> Iterator[None]:
    """A time in which we can open nothing."""
    lowest = os.dup(0)
    os.close(lowest)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_descriptor_arrives_where_none_is_left() -> None:
    """The reserve takes it; and is there again when there are some."""
    ours, theirs = Channel.pair()
    heard: list[Message] = []
    came = Event()

    def hear(message: Message) -> None:
        heard.append(message)
        came.set()

    inbox = Inbox(theirs, hear)
    reader, writer = os.pipe()
    for number in range(1, 3):
        ours.send("log", [writer])
        with none_left():
            assert came.wait(5)
        came.clear()
        assert [len(message.descriptors) for message in heard] == [1] * number
        ours.send("nothing")
        assert came.wait(5)
        came.clear()
        heard.pop()
    for message in heard:
        message.close()
    os.close(reader)
    os.close(writer)
    inbox.close()
    ours.close()


def test_the_peer_sees_the_end() -> None:
    """Nothing of the channel is held back."""
    ours, theirs = Channel.pair()
    ended = Event()
    watching = Inbox(ours, lambda message: None, ended.set)
    Inbox(theirs, lambda message: None).close()
    assert ended.wait(5)
    assert watching.channel.fileno() == -1
