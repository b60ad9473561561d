"""A simulation notices what a server lost, and what it stored twice."""

from __future__ import annotations

from bench.simulation.tally import Tally


def test_an_acknowledged_message_that_is_not_stored_counts_as_lost() -> None:
    tally = Tally()
    for client_message_id in ("a", "b", "c"):
        tally.acknowledged("s", client_message_id, 0.01)

    tally.check("s", tally.acknowledged_of("s"), ["a", "c", "c", "not acknowledged yet"])

    assert (tally["acked"], tally["checked"], tally["lost"], tally["doubled"]) == (3, 1, 1, 1)


def test_times_are_measured_until_the_acknowledgement() -> None:
    tally = Tally()
    assert tally.milliseconds(50) == 0
    for number in range(1, 101):
        tally.acknowledged("s", str(number), number / 1000)
    assert (tally.milliseconds(50), tally.milliseconds(95)) == (51, 96)


def test_the_reason_of_a_failed_chat_is_kept() -> None:
    tally = Tally()
    tally.failed("INVALID_CONTEXT: visitor.name is required.")
    assert (tally["failed"], tally.failure) == (1, "INVALID_CONTEXT: visitor.name is required.")
