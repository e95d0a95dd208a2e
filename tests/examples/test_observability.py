"""examples/observability: what Prometheus says of the rules, and that all metrics in it exist."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.telemetry.catalogue import OWN
from proxy.telemetry.uwsgi_catalogue import ALL
from tests.prometheus import promtool

PLACE = Path(__file__).parents[2] / "examples" / "observability"
DASHBOARD = json.loads((PLACE / "dashboard.json").read_text("utf-8"))
RULES = (PLACE / "alerts.yml").read_text("utf-8")

OTHERS = {
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
}
"""What `prometheus_client` tells of the process."""

QUESTIONS = (
    "errors_total",
    "http_request_duration_seconds_bucket",
    "backend_max_conns",
    "upstream_queue_wait_seconds_bucket",
    "backend_state",
    "backend_ejections_total",
    "upstream_panic",
    "backend_listen_queue",
    "event_loop_lag_seconds_bucket",
)
"""What the dashboard has to show, at least."""


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[str]:
    for panel in panels():
        yield from (target["expr"] for target in panel["targets"])


def names(text: str) -> set[str]:
    return set(re.findall(r"\b((?:uwsgi|process)_[a-z_]+)", text))


def known() -> set[str]:
    """Return every name that a sample of ours can have."""
    found = set(OTHERS)
    for entry in (*OWN, *ALL):
        parts = ("_bucket", "_count", "_sum") if entry.kind == "histogram" else ("",)
        found |= {entry.shown + part for part in parts}
    return found


def test_the_scrape_configuration_is_valid() -> None:
    assert "1 rule files found" in promtool("check", "config", "prometheus.yml", cwd=PLACE)


def test_the_rules_are_valid() -> None:
    alerts = re.findall(r"- alert: (\w+)", RULES)
    assert f"{len(alerts)} rules found" in promtool("check", "rules", "alerts.yml", cwd=PLACE)


def test_each_alert_fires_when_it_should_and_only_then() -> None:
    assert "SUCCESS" in promtool("test", "rules", "alerts_test.yml", cwd=PLACE)
    cases = (PLACE / "alerts_test.yml").read_text("utf-8")
    quiet, _, loud = cases.partition("- name: everything at once")
    for alert in re.findall(r"- alert: (\w+)", RULES):
        assert f"alertname: {alert} " in quiet
        assert f"alertname: {alert}\n" in loud


def test_all_metrics_in_the_rules_exist() -> None:
    assert names(RULES.replace("uwsgi-frontend", "")) - known() == set()


def test_all_metrics_on_the_dashboard_exist() -> None:
    used = set().union(*map(names, expressions()))
    assert used - known() == set()
    assert {"uwsgi_frontend_" + name for name in QUESTIONS} <= used
    assert names(json.dumps(DASHBOARD)) - known() - {"uwsgi_frontend_build_info"} == set()


def test_prometheus_understands_the_dashboard(tmp_path: Path) -> None:
    """Each expression as a recording rule, with Grafana's variables filled in."""
    filled = [
        text.replace("$__rate_interval", "5m").replace("$job", ".*").replace("$instance", ".*")
        for text in expressions()
    ]
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(filled)]
    file = tmp_path / "rules.json"  # JSON is YAML
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", str(file))


def test_the_dashboard_is_well_formed() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_each_panel_says_what_it_is_for(panel: dict[str, Any]) -> None:
    assert panel["description"]
    assert panel["fieldConfig"]["defaults"].get("unit") or panel["type"] == "state-timeline"
    assert panel["datasource"]["uid"] == "${datasource}"
    references = [target["refId"] for target in panel["targets"]]
    assert len(references) == len(set(references))
