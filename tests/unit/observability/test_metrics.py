"""The instruments count correctly and cheaply, and Prometheus reads their numbers."""

from __future__ import annotations

import subprocess

import pytest

from chatsupport.observability import metrics
from chatsupport.observability.metrics import instruments
from chatsupport.observability.metrics.instruments import Gauge, Histogram, LabelledCounter, LabelledHistogram
from tests.scraping import Scrape


def samples(instrument: instruments.Instrument) -> dict[str, float]:
    """Return an instrument's samples, by name and labels."""
    return {
        sample.name + "".join(f" {name}={value}" for name, value in sample.labels.items()): sample.value
        for family in instrument.families()
        for sample in family.samples
    }


def test_a_histogram_counts_each_amount_in_every_bucket_that_it_fits() -> None:
    histogram = Histogram("x_seconds", "X.", (0.1, 1.0))

    for amount in (0.0, 0.1, 0.5, 1.0, 7.0):
        histogram.observe(amount)

    assert samples(histogram) == {
        "x_seconds_bucket le=0.1": 2,
        "x_seconds_bucket le=1.0": 4,
        "x_seconds_bucket le=+Inf": 5,
        "x_seconds_count": 5,
        "x_seconds_sum": pytest.approx(8.6),
    }


def test_the_parts_of_a_histogram_are_counted_separately() -> None:
    histogram = LabelledHistogram("x_seconds", "X.", (1.0,), "via", ("rest", "socket"))

    histogram.of("rest").observe(0.5)

    assert samples(histogram)["x_seconds_count via=rest"] == 1
    assert samples(histogram)["x_seconds_count via=socket"] == 0


def test_a_label_has_a_bounded_number_of_values() -> None:
    counter = LabelledCounter("x_total", "X.", "code", ("known",))

    for number in range(instruments.MAX_LABELS + 5):
        counter.add(f"code-{number}")
    counter.add("code-1")

    counted = samples(counter)
    assert len(counted) == instruments.MAX_LABELS + 1
    assert counted["x_total code=other"] == 6
    assert counted["x_total code=code-1"] == 2
    assert counted["x_total code=known"] == 0


def test_a_gauge_is_read_when_it_is_asked_for_and_not_shown_while_it_is_unknown() -> None:
    gauge, numbers = Gauge("x", "X."), [3]

    gauge.read_by(lambda: numbers[0])
    numbers[0] = 4

    assert samples(gauge) == {"x": 4}
    gauge.set(None)
    assert samples(gauge) == {}
    labelled = Gauge("x", "X.", "state")
    labelled.set({"on": 1, "off": 2})
    assert samples(labelled) == {"x state=off": 2, "x state=on": 1}


def test_every_metric_is_ours_has_a_help_text_and_comes_once() -> None:
    names = [instrument.name for instrument in metrics.ALL]

    assert len(set(names)) == len(names)
    assert all(
        instrument.name.startswith("chatsupport_") and instrument.text.endswith(".") for instrument in metrics.ALL
    )
    assert set(metrics.GLOBAL) < set(metrics.ALL)


def test_memory_and_processor_time_are_metrics_too() -> None:
    scrape = Scrape(metrics.render().decode())

    assert scrape.value("process_resident_memory_bytes") > 1_000_000
    assert scrape.value("process_cpu_seconds_total") > 0


@pytest.mark.promtool
def test_promtool_has_no_complaints() -> None:
    metrics.REFUSED.add("NOT_FOUND")
    for gauge in (metrics.QUEUE_LENGTH, metrics.LONGEST_WAIT, metrics.DATABASE_UP, metrics.CONNECTIONS_LIMIT):
        gauge.set(1)
    for gauge in (metrics.SESSIONS, metrics.AGENTS, metrics.CONNECTIONS):
        gauge.set({"a": 1})

    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=metrics.render(), capture_output=True, check=False, timeout=30
    )

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
