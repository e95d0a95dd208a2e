"""One worker as its supervisor sees it."""

from collections.abc import Callable
from enum import Enum, auto
from typing import Any

from proxy.control.limits import MAX_CONNECTIONS
from proxy.fleet.channel import Channel, Message

MAX_UNSENT_BYTES = 1024 * 1024
"""What a worker that takes nothing is given at most; then it misses what it cannot be told."""

MAX_UNANSWERED = 2 * MAX_CONNECTIONS
"""Questions that are put to a worker that does not answer: more than can be asked at a time. Else
one that has hung for an hour would be busy with old ones when it is well again. Commands it is
given all the same."""

Answered = Callable[[Any], None]


class Stage(Enum):
    """How far a worker has come."""

    STARTING = auto()
    SERVING = auto()
    ENDED = auto()


class Member:
    """See the module. Its process and its channel end in any order; `has_ended` means both."""

    def __init__(self, number: int, pid: int) -> None:
        self.number = number
        self.pid = pid
        self.channel: Channel
        self.stage = Stage.STARTING
        self.numbers: Any = []
        """Its metrics, as far as they are known."""
        self.counts: dict[str, Any] = {}
        """The few that the page shows, likewise (`proxy.control.numbers`)."""
        self.cut: int | None = None
        """Exchanges that it has cut when it drained; None until it has."""
        self.failure = ""
        """Why it could not start, in its own words."""
        self.status: int | None = None
        """How its process ended, as `os.waitpid` tells."""
        self.hung_up = False
        """Whether its channel has ended: nothing will come any more."""
        self._asked: dict[int, Answered] = {}
        self._questions = 0

    @property
    def serves(self) -> bool:
        """Whether it serves now."""
        return self.stage is Stage.SERVING

    @property
    def has_ended(self) -> bool:
        """Whether nothing is left of it."""
        return self.status is not None and self.hung_up

    def tell(self, message: Message) -> bool:
        """Send it something, unless it takes nothing."""
        if self.channel.unsent_bytes > MAX_UNSENT_BYTES:
            return False
        self.channel.send(message)
        return True

    def ask(self, question: Any, answered: Answered) -> None:
        """Put a question; `answered` gets the answer, if there ever is one."""
        if "do" not in question and len(self._asked) >= MAX_UNANSWERED:
            return
        self._questions += 1
        if self.tell({"question": self._questions, "value": question}):
            self._asked[self._questions] = answered

    def take(self, message: Message) -> None:
        """Take note of what it says about itself."""
        if "answer" in message:
            answered = self._asked.pop(message["answer"], None)
            if answered is not None:
                answered(message["value"])
        elif "numbers" in message:
            self.numbers = message["numbers"]
        elif "serving" in message:
            self.stage = Stage.SERVING
        elif "failed" in message:
            self.failure = message["failed"]
        elif "cut" in message:
            self.cut = message["cut"]
