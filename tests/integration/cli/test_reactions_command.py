"""`flask --app wsgi reactions` shows the table as it is put together."""

from __future__ import annotations

from flask import Flask

from chatsupport import events


def test_it_shows_the_reactions_to_each_event_in_order(app: Flask) -> None:
    result = app.test_cli_runner().invoke(args=["reactions"])

    assert result.exit_code == 0
    rows = dict(line.split(None, 1) for line in result.output.splitlines()[1:])
    assert rows.keys() == {event.__name__ for event in events.bound()}
    assert rows["MessageStored"].startswith("broadcasts.new_message")
