"""`flask --app wsgi simulate`: visitors and agents who chat, for demonstrations and for load."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time

import click
from flask.cli import with_appcontext

from chatsupport.cli import rest
from chatsupport.cli.participants import Agent, Stage, Visitor
from chatsupport.cli.tally import Tally
from chatsupport.extensions import settings

MAX_VISITORS = 500
"""Each is some threads; for more load, run several of this command, or `make bench`."""
LINE_SECONDS = {True: 0.5, False: 5.0}
"""How often the counts are shown: to a terminal, and to a file."""
END_SECONDS = 60.0


@click.command("simulate")
@click.option("--url", help="Where the server is; by default on this machine at PORT.")
@click.option("--api-key", help="One of the server's; by default the first of API_KEY.")
@click.option("--visitors", type=click.IntRange(1, MAX_VISITORS), default=10, show_default=True, help="At a time.")
@click.option("--agents", type=click.IntRange(0, 100), default=3, show_default=True, help="Made, and deleted again.")
@click.option("--capacity", type=click.IntRange(1, 50), default=4, show_default=True, help="Visitors an agent takes.")
@click.option("--messages", type=click.IntRange(0, 1000), default=5, show_default=True, help="Of a visitor in a chat.")
@click.option("--pause", type=click.FloatRange(0, 600), default=2.0, show_default=True, help="Seconds to write one.")
@click.option("--seconds", type=click.FloatRange(0, 86_400), default=0.0, help="New chats begin for so long.")
@with_appcontext
def simulate(
    url: str | None,
    api_key: str | None,
    visitors: int,
    agents: int,
    capacity: int,
    messages: int,
    pause: float,
    seconds: float,
) -> None:
    """Have visitors and agents chat on a server, and count what is acknowledged, lost and doubled.

    Each visitor has one chat, or with --seconds one after the other. Ctrl-C ends all chats. Exit status 1 where an
    acknowledged message is lost or stored twice, or a chat failed.
    """
    tally = Tally()
    stage = Stage(_server(url, api_key), tally, pause)
    rest.ask(stage.rest, "GET", "/api/health")
    # As Ctrl-C does: a terminal that is closed must not leave simulated agents behind.
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
            with contextlib.suppress(KeyboardInterrupt):  # A second one: without waiting for the chats.
                if any(thread.is_alive() for thread in threads):
                    _watch(tally, threads, time.monotonic() + END_SECONDS)
        finally:
            # Real visitors would come to them.
            for agent in team:
                agent.delete()
    _summarize(tally, time.monotonic() - started)
    sys.exit(1 if tally["lost"] or tally["doubled"] or tally["failed"] or tally["unchecked"] else 0)


def _server(url: str | None, api_key: str | None) -> rest.Rest:
    config = settings.config
    keys = [key.strip() for key in (api_key or "").split(",") if key.strip()] or list(config.api_keys)
    if keys:
        return rest.Rest(url or rest.own_url(config), {"X-API-Key": keys[0]})
    return rest.own_server(config, url)


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
    others = {
        "retries": "sent again",
        "late": "written when the chat had ended, and refused",
        "unacknowledged": "never acknowledged",
        "seen_twice": "seen twice on the screen",
        "limited": "calls put off by a rate limit",
        "refused": "connections refused",
        "failed": "chats that failed",
        "unchecked": "chats that could not be checked",
    }
    for name, text in others.items():
        if tally[name]:
            click.echo(f"{tally[name]} {text}")
