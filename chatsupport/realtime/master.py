"""Changes to gunicorn's master: it declines some signals, and looks after another child."""

from __future__ import annotations

import functools
import logging
import os
import signal
from collections.abc import Callable
from typing import Any

import gunicorn
from gunicorn.errors import HaltServer

logger = logging.getLogger("gunicorn.error")

ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}


def name(product: str) -> None:
    """Set gunicorn's name for this server in its log."""
    gunicorn.SERVER = product


def has_terminal() -> bool:
    """Tell whether this process was started from a terminal, and must end with it."""
    # Under nohup, SIGHUP is ignored from the start, and must stay so.
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return False
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def ignore_the_terminal() -> None:
    """Ignore Ctrl-C and the end of the terminal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def decline_signals(server: Any, *, ends_with_terminal: bool) -> None:
    """Decline signals that reload code or add workers: old code would run beside new, in unconnected processes."""
    for each in ("HUP", "TTIN", "TTOU", "USR2"):
        setattr(server, f"handle_{each.lower()}", functools.partial(_decline, f"SIG{each}"))
    if ends_with_terminal:
        server.handle_hup = server.handle_term


def _decline(number: str) -> None:
    logger.warning("%s changes nothing here: restart the server instead", number)


def end_gently(server: Any) -> None:
    """Let the first Ctrl-C end the server as gently as SIGTERM does. gunicorn hurries after a later one."""

    def interrupt(number: int, frame: object) -> None:
        server.SIG_QUEUE.put_nowait(signal.SIGINT if pressed else signal.SIGTERM)
        pressed.append(number)

    pressed: list[int] = []
    server.spawn_worker = _without_signals(server.spawn_worker)
    signal.signal(signal.SIGINT, interrupt)


def _without_signals(spawn: Callable[[], Any]) -> Callable[[], Any]:
    # A signal that reaches a worker before post_fork() would be put into its copy of the master's queue and forgotten.
    def spawn_unsignalled() -> Any:
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        try:
            return spawn()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)

    return spawn_unsignalled


def look_after(server: Any, notice: Callable[[], object], keep: Callable[[], object], fatal: type[Exception]) -> None:
    """Let the master look after a child that is not a worker.

    It looks after its children when one has ended, and every second. It takes each for a worker, so `notice` looks
    first how the child has ended; `keep` starts it again. The server ends where that raises `fatal`.
    """
    reap_workers, manage_workers = server.reap_workers, server.manage_workers

    def reap() -> None:
        notice()
        reap_workers()

    def manage() -> None:
        try:
            keep()
        except fatal as error:
            logging.getLogger("chatsupport").error(error)
            raise HaltServer(None, 1) from None
        manage_workers()

    server.reap_workers, server.manage_workers = reap, manage
