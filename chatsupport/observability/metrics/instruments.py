"""Counters, gauges and histograms that cost as little as Python allows.

prometheus-client's own take a lock for each observation and cost several times as much (docs/observability.md has the
figures). These are read by its exposition only. Greenlets do not switch between the reading and the writing of a
number, so no lock is needed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

OTHER = "other"
MAX_LABELS = 100
"""How many values a label may have. Further values are counted as `other`."""

Readings = float | Mapping[str, float] | None


class Counter:
    """A count that starts at 0 with the process."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.value = 0

    def add(self, amount: int = 1) -> None:
        """Count."""
        self.value += amount

    def families(self) -> Iterator[Metric]:
        """Yield what Prometheus reads."""
        yield CounterMetricFamily(self.name, self.text, value=self.value)


class LabelledCounter:
    """Several counters, told apart by one label. The values given to the constructor are shown from the start."""

    def __init__(self, name: str, text: str, label: str, values: Sequence[str] = ()) -> None:
        self.name = name
        self.text = text
        self.label = label
        self.values = dict.fromkeys(values, 0)

    def add(self, value: str, amount: int = 1) -> None:
        """Add to the counter with this value of the label."""
        values = self.values
        if value not in values and len(values) >= MAX_LABELS:
            value = OTHER
        values[value] = values.get(value, 0) + amount

    def families(self) -> Iterator[Metric]:
        """Yield what Prometheus reads."""
        family = CounterMetricFamily(self.name, self.text, labels=[self.label])
        for value, count in sorted(self.values.items()):
            family.add_metric([value], count)
        yield family


class Gauge:
    """A number that goes up and down. It is set, or read when Prometheus asks, and not shown while it is unknown."""

    def __init__(self, name: str, text: str, label: str | None = None) -> None:
        self.name = name
        self.text = text
        self.label = label
        self._read: Callable[[], Readings] = lambda: None

    def set(self, readings: Readings) -> None:
        """Show this number, or these numbers by their label; None means unknown."""
        self._read = lambda: readings

    def read_by(self, read: Callable[[], Readings]) -> None:
        """Call this function for the number when Prometheus asks."""
        self._read = read

    def families(self) -> Iterator[Metric]:
        """Yield what Prometheus reads."""
        readings = self._read()
        if readings is None:
            return
        family = GaugeMetricFamily(self.name, self.text, labels=[self.label] if self.label else None)
        if isinstance(readings, Mapping):
            for value, number in sorted(readings.items()):
                family.add_metric([value], number)
        else:
            family.add_metric([], readings)
        yield family


class Distribution:
    """How often amounts of each size were seen: one histogram, or the part of it with one label's value."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, amount: float) -> None:
        """Count an amount, in the metric's unit."""
        self._counts[bisect_left(self._bounds, amount)] += 1
        self._sum += amount

    @property
    def count(self) -> int:
        """The number of amounts."""
        return sum(self._counts)

    @property
    def sum(self) -> float:
        """The sum of the amounts."""
        return self._sum

    def buckets(self) -> list[tuple[str, float]]:
        """Return each upper bound with the number of amounts up to it."""
        total, rows = 0, []
        for bound, count in zip((*map(_number, self._bounds), "+Inf"), self._counts, strict=True):
            total += count
            rows.append((bound, float(total)))
        return rows


class Histogram(Distribution):
    """A distribution with a name."""

    __slots__ = ("name", "text")

    def __init__(self, name: str, text: str, bounds: Sequence[float]) -> None:
        super().__init__(bounds)
        self.name = name
        self.text = text

    def families(self) -> Iterator[Metric]:
        """Yield what Prometheus reads."""
        yield HistogramMetricFamily(self.name, self.text, buckets=self.buckets(), sum_value=self.sum)


class LabelledHistogram:
    """Several distributions, told apart by one label whose values are known beforehand."""

    def __init__(self, name: str, text: str, bounds: Sequence[float], label: str, values: Sequence[str]) -> None:
        self.name = name
        self.text = text
        self.label = label
        self._parts = {value: Distribution(bounds) for value in values}

    def of(self, value: str) -> Distribution:
        """Return the part with this value of the label."""
        return self._parts[value]

    def families(self) -> Iterator[Metric]:
        """Yield what Prometheus reads."""
        family = HistogramMetricFamily(self.name, self.text, labels=[self.label])
        for value, part in self._parts.items():
            family.add_metric([value], part.buckets(), part.sum)
        yield family


Instrument = Counter | LabelledCounter | Gauge | Histogram | LabelledHistogram


def _number(bound: float) -> str:
    """Return a bound as Prometheus writes it."""
    return str(float(bound))
