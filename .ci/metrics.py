"""Checks what a Prometheus has read from a server: that every metric of the dashboard exists, that all queries of the
dashboard and all rules can be evaluated, and that no alert fires. Checks that Grafana's own library knows every member of
the dashboard.

Usage: metrics.py PROMETHEUS DASHBOARD
"""

import json
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard


def ask(base, path, **parameters):
    url = f"{base}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return json.load(response)["data"]
    except urllib.error.HTTPError as error:
        sys.exit(f"{path} {parameters}: {error.read().decode()}")


def wait_for(what, check):
    for _ in range(150):
        try:
            if check():
                return
        except (OSError, urllib.error.URLError):
            pass
        time.sleep(0.2)
    sys.exit(f"timed out waiting until {what}")


def members(value, place=""):
    """The places of all members of a JSON value."""
    if isinstance(value, list):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        return [place]
    return [member for name, inner in value.items() for member in members(inner, f"{place}/{name}")]


def main(base, path):
    wait_for("the server is read", lambda: ask(base, "query", query='up{job="byline"} == 1')["result"])
    known = lambda: set(ask(base, "label/__name__/values"))
    wait_for("the queue of mail was counted", lambda: "byline_mail_queue_messages" in known())
    names = known()

    with open(path, encoding="utf-8") as file:
        dashboard = json.load(file)
    known_to_grafana = json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))
    unknown = set(members(dashboard)) - set(members(known_to_grafana))
    if unknown:
        sys.exit(f"Grafana does not know these members of the dashboard: {unknown}")
    print(f"Grafana's library knows all {len(members(dashboard))} members of the dashboard")
    queries = 0
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            query = target["expr"]
            for variable, value in {"$job": "byline", "$instance": ".*", "$__rate_interval": "10s"}.items():
                query = query.replace(variable, value)
            missing = set(re.findall(r"\b(?:byline|process)_[a-z_]+", query)) - names
            if missing:
                sys.exit(f"{panel['title']}: no such metric: {missing}")
            ask(base, "query", query=query)
            queries += 1
    print(f"the {queries} queries of the dashboard can be evaluated")

    groups = lambda: ask(base, "rules")["groups"]
    wait_for("the rules are evaluated", lambda: all(
        rule["health"] != "unknown" for group in groups() for rule in group["rules"]))
    rules = [rule for group in groups() for rule in group["rules"]]
    for rule in rules:
        if rule["health"] != "ok" or rule["state"] == "firing":
            sys.exit(f"{rule['name']}: {rule['health']}, {rule['state']} {rule.get('lastError', '')}")
        missing = set(re.findall(r"\b(?:byline|process)_[a-z_]+", rule["query"])) - names
        if missing:
            sys.exit(f"{rule['name']}: no such metric: {missing}")
    print(f"the {len(rules)} alert rules can be evaluated, and none fires")


main(*sys.argv[1:])
