"""A limit for a whole call whose library limits only each of its reads."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

T = TypeVar("T")


def in_time(seconds: float, act: Callable[[], T]) -> T:
    """The result of a call, which is abandoned when time is up.

    The call runs in a thread. A library that reads on while one byte a second arrives cannot be
    interrupted, so its thread is left to end with the process.

    Args:
        seconds: for the whole call.
        act: the call; whatever it raises is raised here.

    Raises:
        TimeoutError: time is up.
    """
    made: Future[T] = Future()

    def run() -> None:
        try:
            made.set_result(act())
        except BaseException as error:  # noqa: BLE001 - raised again by `result`
            made.set_exception(error)

    threading.Thread(target=run, name="in time", daemon=True).start()
    if wait([made], seconds).not_done:
        raise TimeoutError(f"no complete answer within {seconds:g} s")
    return made.result()
