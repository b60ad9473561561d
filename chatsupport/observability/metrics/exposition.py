"""The text that Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from chatsupport import __version__
from chatsupport.observability.metrics import catalogue

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class _Catalogue(Collector):
    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily("chatsupport_info", "Always 1; says which version runs.", labels=["version"])
        info.add_metric([__version__], 1)
        yield info
        for instrument in catalogue.ALL:
            yield from instrument.families()


_registry = CollectorRegistry()
_registry.register(_Catalogue())
# Memory, processor time, open files, start: under the names that all of Prometheus knows. Linux only.
ProcessCollector(registry=_registry)


def render() -> bytes:
    """Return every metric of this process as text, in the format of `CONTENT_TYPE`."""
    return generate_latest(_registry)
