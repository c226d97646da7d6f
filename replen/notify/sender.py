"""The sender: claims due events, delivers them, marks each in a transaction of its own."""

import datetime as dt
import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from replen.config import Notify, Retry
from replen.errors import ConfigError
from replen.notify import channels
from replen.notify.message import UndeliveredError
from replen.notify.outbox import Event, Outbox, now
from replen.notify.schema import DEAD, DELIVERED

PUT_OFF, REPEATED = "put off", "repeated"
LONGEST_WAIT = 86_400.0  # seconds: no receiver may ask for more


@dataclass(frozen=True)
class Sender:
    """Delivers the events of an outbox; any number of them may run at once, on any number of machines.

    Attributes:
        clock: gives the time, with a zone.
        chance: gives a number in 0..1, for jitter.
    """

    outbox: Outbox
    settings: Notify
    clock: Callable[[], dt.datetime] = now
    chance: Callable[[], float] = random.random

    def run(self) -> Counter[str]:
        """Deliver what is due until nothing is, and return how many attempts came to what."""
        with ThreadPoolExecutor(self.settings.senders) as pool:
            workers = [pool.submit(self._work) for _ in range(self.settings.senders)]
        return sum((worker.result() for worker in workers), Counter())

    def _work(self) -> Counter[str]:
        outcomes: Counter[str] = Counter()
        while (event := self.outbox.claim(self.clock(), lease_seconds=self.settings.lease_seconds)) is not None:
            outcomes[self._attempt(event)] += 1
        return outcomes

    def _attempt(self, event: Event) -> str:
        """Deliver one event and return what came of it."""
        most = self.settings.retry.attempts
        if event.attempts > most:  # the last ones ended with their sender
            return self._give_up(
                event, f"its {most} attempts are used up; the last error: {event.last_error or 'its sender ended'}"
            )
        try:
            channels.deliver(event, self.settings, at=self.clock())
        except UndeliveredError as failure:
            return self._failed(event, failure)
        except ConfigError as error:
            return self._failed(event, UndeliveredError(str(error)))
        except Exception as error:  # one event never stops the others; what an unknown error says may hold a secret
            return self._failed(event, UndeliveredError(f"unexpected {type(error).__name__}"))
        return DELIVERED if self.outbox.delivered(event, self.clock()) else REPEATED

    def _failed(self, event: Event, failure: UndeliveredError) -> str:
        if failure.final:
            return self._give_up(event, str(failure))
        if event.attempts >= self.settings.retry.attempts:
            return self._give_up(event, f"{failure} (attempt {event.attempts}, the last)")
        wait = max(back_off(event.attempts, self.settings.retry, self.chance()), failure.retry_after or 0.0)
        self.outbox.put_off(event, self.clock() + dt.timedelta(seconds=min(wait, LONGEST_WAIT)), str(failure))
        return PUT_OFF

    def _give_up(self, event: Event, why: str) -> str:
        self.outbox.bury(event, why)
        return DEAD


def back_off(attempts: int, retry: Retry, chance: float) -> float:
    """Return the seconds to wait after the n-th attempt: half to all of a delay that doubles each time up to a bound.

    >>> settings = Retry(first_seconds=30, max_seconds=3600, attempts=30)
    >>> [back_off(attempts, settings, 1.0) for attempts in (1, 2, 3, 20)], back_off(1, settings, 0.0)
    ([30.0, 60.0, 120.0, 3600.0], 15.0)
    """
    delay = min(retry.first_seconds * 2.0 ** min(attempts - 1, 60), retry.max_seconds)
    return delay * (0.5 + 0.5 * chance)
