"""The files for Grafana and Prometheus in deploy/, and docs/observability.md, name only existing metrics."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chatsupport.observability import metrics
from chatsupport.observability.metrics.instruments import Counter, Gauge, LabelledCounter, LabelledHistogram
from tests import ROOT
from tests.scraping import Scrape

DASHBOARD = json.loads((ROOT / "deploy/grafana.json").read_text("utf-8"))
ALERTS = yaml.safe_load((ROOT / "deploy/alerts.yml").read_text("utf-8"))
DOCS = (ROOT / "docs/observability.md").read_text("utf-8")

OTHERS = {"up", "probe_ssl_earliest_cert_expiry"}
"""Metrics of Prometheus itself and of the blackbox exporter."""
_NAME = re.compile(r"\b(?:(?:chatsupport|process|probe)_[a-z_]+|up)\b")
_LABELS = re.compile(r"\{[^}]*\}|\b(?:by|on|without|ignoring) \([^)]*\)|\[[^\]]*\]")


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = DASHBOARD["panels"]
    return found


def dashboard_expressions() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel.get("targets", ())]


def rules() -> list[dict[str, Any]]:
    return [rule for group in ALERTS["groups"] for rule in group["rules"]]


def names_in(expression: str) -> set[str]:
    return set(_NAME.findall(_LABELS.sub("", expression)))


def sample_names() -> set[str]:
    """Return the names of all possible samples."""
    names = {"chatsupport_info"} | {
        name for name in Scrape(metrics.render().decode()).names() if name.startswith("process_")
    }
    for instrument in metrics.ALL:
        if isinstance(instrument, (Counter, LabelledCounter, Gauge)):
            names.add(instrument.name)
        else:
            names |= {f"{instrument.name}_{part}" for part in ("bucket", "count", "sum")}
    return names


def labels_of(name: str) -> set[str]:
    """Return the labels of a metric, including those that Prometheus adds."""
    instrument = next(instrument for instrument in metrics.ALL if name.startswith(instrument.name))
    own = getattr(instrument, "label", None)
    return {"instance", "job", "le"} | ({own} if own else set())


def test_every_expression_names_metrics_that_exist() -> None:
    expressions = [*dashboard_expressions(), *[rule["expr"] for rule in rules()]]

    assert len(expressions) > 40
    for expression in expressions:
        assert names_in(expression), expression
        assert names_in(expression) <= sample_names() | OTHERS, expression


def test_every_label_is_one_the_metric_has() -> None:
    for expression in [*dashboard_expressions(), *[rule["expr"] for rule in rules()]]:
        ours = [name for name in names_in(expression) if name.startswith("chatsupport_") and name != "chatsupport_info"]
        allowed = {label for name in ours for label in labels_of(name)}
        selected = set(re.findall(r"[{,]\s*(\w+)(?==|!)", expression))
        grouped = {label.strip() for group in re.findall(r"\bby \(([^)]*)\)", expression) for label in group.split(",")}
        if ours:
            assert selected | grouped <= allowed, expression


def test_the_dashboard_shows_every_metric() -> None:
    shown = {name for expression in dashboard_expressions() for name in names_in(expression)}

    missing = [
        instrument.name for instrument in metrics.ALL if not any(name.startswith(instrument.name) for name in shown)
    ]
    assert not missing


def test_figures_that_are_the_same_in_all_processes_are_not_added_up() -> None:
    common = {instrument.name for instrument in metrics.GLOBAL}
    for expression in [*dashboard_expressions(), *[rule["expr"] for rule in rules()]]:
        for name in names_in(expression) & common:
            assert re.findall(rf"(\w+)(?: by \(\w+\))? ?\({name}\b", expression) == ["max"] * expression.count(name)


def test_the_dashboard_has_the_form_that_grafana_expects() -> None:
    assert DASHBOARD["title"]
    assert DASHBOARD["id"] is None
    assert DASHBOARD["uid"]
    assert DASHBOARD["schemaVersion"] >= 36
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert cells
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        assert panel["type"] in ("row", "stat", "timeseries")
        assert panel["title"]
        if panel["type"] != "row":
            assert panel["description"].endswith(".")
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            references = [target["refId"] for target in panel["targets"]]
            assert references
            assert len(set(references)) == len(references)
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(panels()))) - {"__rate_interval"}
    assert used == variables


def test_there_are_thirteen_alerts_and_each_says_what_to_do() -> None:
    assert len(rules()) == len({rule["alert"] for rule in rules()}) == 13
    for rule in rules():
        assert rule["labels"] == {"severity": "page"}
        assert set(rule["annotations"]) == {"summary", "runbook"}
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert page in ("docs/operations.md", "docs/observability.md")
        assert re.fullmatch(r"[a-z-]+", anchor)
        assert anchor in anchors((ROOT / page).read_text("utf-8")), rule["alert"]


def test_the_documentation_names_every_alert() -> None:
    assert set(re.findall(r"^\| `(ChatSupport\w+)` \|", DOCS, re.MULTILINE)) == {rule["alert"] for rule in rules()}


def anchors(text: str) -> set[str]:
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE)
    }


def documented() -> Iterator[tuple[str, str, str, str]]:
    """Yield the name, label, type and scope of each metric in the page's tables."""
    yield from re.findall(
        r"^\| `(chatsupport_\w+)(?:\{(\w+)\})?` \| (counter|gauge|histogram)( of all)? \|", DOCS, re.MULTILINE
    )


def test_the_documentation_has_every_metric_and_no_other() -> None:
    told = {name: (kind, label, bool(of_all)) for name, label, kind, of_all in documented()}
    there: dict[str, tuple[str, str, bool]] = {"chatsupport_info": ("gauge", "version", False)}
    for instrument in metrics.ALL:
        if isinstance(instrument, (Counter, LabelledCounter)):
            kind = "counter"
        else:
            kind = "gauge" if isinstance(instrument, Gauge) else "histogram"
        there[instrument.name] = (kind, getattr(instrument, "label", None) or "", instrument in metrics.GLOBAL)

    assert told == there


def test_the_documentation_lists_the_values_of_labels_with_fixed_values() -> None:
    for instrument in metrics.ALL:
        if isinstance(instrument, LabelledCounter):
            values = list(instrument.values) if instrument is not metrics.REFUSED else []
        elif isinstance(instrument, LabelledHistogram):
            values = list(instrument._parts)
        else:
            continue
        (row,) = re.findall(rf"^\| `{instrument.name}\{{.*$", DOCS, re.MULTILINE)
        assert all(f"`{value}`" in row for value in values), instrument.name


def promtool(*arguments: str, directory: Path = ROOT) -> None:
    checked = subprocess.run(
        ["promtool", *arguments], cwd=directory, capture_output=True, text=True, check=False, timeout=30
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.promtool
def test_promtool_accepts_the_alerts_and_the_example() -> None:
    promtool("check", "rules", "deploy/alerts.yml")
    promtool("check", "config", "deploy/prometheus.yml")


@pytest.mark.promtool
def test_the_alerts_fire_exactly_when_they_should() -> None:
    tried = yaml.safe_load((ROOT / "tests/alerts.yml").read_text("utf-8"))
    names = {case["alertname"] for test in tried["tests"] for case in test["alert_rule_test"] if case["exp_alerts"]}

    assert names == {rule["alert"] for rule in rules()}
    promtool("test", "rules", "tests/alerts.yml")


@pytest.mark.promtool
def test_promtool_accepts_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    expressions = [
        expr.replace("$__rate_interval", "5m").replace("$instance", ".*") for expr in dashboard_expressions()
    ]
    recorded = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(expressions)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))

    promtool("check", "rules", "rules.yml", directory=tmp_path)
