"""`flask --app wsgi simulate`: visitors and agents who chat on a server, for demonstrations and for load.

It needs only what a server needs; the command is in `chatsupport/cli/simulate.py`.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time

import click

from bench.simulation.participants import Agent, Stage, Visitor
from bench.simulation.tally import Tally
from chatsupport.cli import rest

LINE_SECONDS = {True: 0.5, False: 5.0}
"""How often the counts are shown, on a terminal and in a file."""
END_SECONDS = 60.0


def run(
    server: rest.Rest, *, visitors: int, agents: int, capacity: int, messages: int, pause: float, seconds: float
) -> bool:
    """Run the chats, show the counts, and delete the agents. False if something was lost, stored twice or failed."""
    tally = Tally()
    stage = Stage(server, tally, pause)
    rest.ask(stage.rest, "GET", "/api/health")
    # Treated like Ctrl-C, because a closed terminal must not leave simulated agents behind.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    team: list[Agent] = []
    threads: list[threading.Thread] = []
    started = time.monotonic()
    try:
        team.extend(Agent(stage, f"Simulated {number}", capacity) for number in range(1, agents + 1))
        ends = started + seconds
        threads += [threading.Thread(target=_visit, args=(stage, messages, ends), daemon=True) for _ in range(visitors)]
        for thread in threads:
            thread.start()
        _watch(tally, threads, None)
    except KeyboardInterrupt:
        click.echo("\nEnding the chats …", err=True)
    except rest.RefusedError as error:
        raise click.ClickException(f"{error} Give --api-key.") from None
    except OSError as error:
        raise click.ClickException(f"{stage.rest.url} does not answer: {error}") from None
    finally:
        stage.over.set()
        try:
            with contextlib.suppress(KeyboardInterrupt):  # The second signal: do not wait for the chats.
                if any(thread.is_alive() for thread in threads):
                    _watch(tally, threads, time.monotonic() + END_SECONDS)
        finally:
            # Real visitors would be assigned to them.
            for agent in team:
                agent.delete()
    _summarize(tally, time.monotonic() - started)
    return not (tally["lost"] or tally["doubled"] or tally["failed"] or tally["unchecked"])


def _visit(stage: Stage, messages: int, ends: float) -> None:
    while not stage.over.is_set():
        Visitor(stage, messages).chat()
        if time.monotonic() >= ends:
            return


def _watch(tally: Tally, threads: list[threading.Thread], until: float | None) -> None:
    """Show the counts until everybody is done, or until a time."""
    terminal = sys.stdout.isatty()
    shown = 0.0
    while True:
        alive = any(thread.is_alive() for thread in threads)
        if not alive or time.monotonic() - shown >= LINE_SECONDS[terminal]:
            shown = time.monotonic()
            click.echo(f"\r{_line(tally)}\x1b[K" if terminal else _line(tally), nl=not terminal)
        if not alive or (until is not None and time.monotonic() > until):
            if terminal:
                click.echo()
            return
        time.sleep(0.1)


def _line(tally: Tally) -> str:
    return (
        f"{tally['waiting']} waiting, {tally['chatting']} chatting, {tally['done']} done | "
        f"{tally['sent']} sent, {tally['acked']} acked, {tally['received']} received | "
        f"ack p50 {tally.milliseconds(50):.0f} ms, p95 {tally.milliseconds(95):.0f} ms | "
        f"{tally['lost']} lost, {tally['doubled']} doubled"
    )


def _summarize(tally: Tally, seconds: float) -> None:
    rate = tally["acked"] / seconds if seconds else 0.0
    click.echo(
        f"{tally['checked']} chats in {seconds:.1f} s: {tally['sent']} messages sent, {tally['acked']} acknowledged "
        f"({rate:.1f}/s), {tally['lost']} lost, {tally['doubled']} stored twice."
    )
    if waits := tally["estimated"]:
        right = 100 * tally["as_estimated"] // waits
        click.echo(f"{right} % of {waits} estimated waits were right within 30 %.")
    others = {
        "retries": "sent again",
        "late": "written when the chat had ended, and refused",
        "unacknowledged": "never acknowledged",
        "seen_twice": "seen twice on the screen",
        "limited": "calls put off by a rate limit",
        "refused": "connections refused",
        "failed": f"chats that failed, the last one because of {tally.failure}",
        "unchecked": "chats that could not be checked",
    }
    for name, text in others.items():
        if tally[name]:
            click.echo(f"{tally[name]} {text}")
