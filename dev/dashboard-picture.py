"""Generates load on two ScAuths for some minutes, and draws the results of the dashboard's queries."""

import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.fonttype": "none", "font.size": 7, "axes.titlesize": 8, "path.simplify": True})
import matplotlib.dates as dates
import matplotlib.pyplot as plt
from datetime import datetime, timezone

MINUTES = 6
STEP = 10
NAMES = ("blue", "green")
PROMETHEUS = "127.0.0.1:19099"


def kubectl(*arguments, text=None):
    return subprocess.run(["kubectl", *arguments], input=text, text=True, check=True, stdout=subprocess.PIPE).stdout


def scauth(name):
    reader = {"ipBlock": {"cidr": os.environ["SCDEV_HOST"] + "/32"}}
    expose = {"ingress": {"host": f"{name}.example.com", "className": "traefik"}}
    spec = {"database": {"embedded": {}}, "monitoring": {"from": [reader]}, "expose": expose}
    manifest = {"apiVersion": "sc-auth.io/v1alpha1", "kind": "ScAuth", "metadata": {"name": name}, "spec": spec}
    kubectl("apply", "-f", "-", text=json.dumps(manifest))
    kubectl("wait", "--for=condition=Ready", f"scauth/{name}", "--timeout=2m")


def targets():
    found = []
    for selector, port in [("app.kubernetes.io/name=sc-auth-operator", 8080), ("sc-auth.io/scauth", 8001)]:
        for pod in json.loads(kubectl("get", "pods", "-A", "-l", selector, "-o", "json"))["items"]:
            labels = {"namespace": pod["metadata"]["namespace"], "pod": pod["metadata"]["name"]}
            found.append({"targets": [f"{pod['status']['podIP']}:{port}"], "labels": labels})
    return found


def start_prometheus(folder):
    scrape = {"job_name": "sc-auth", "static_configs": targets()}
    with open(f"{folder}/prometheus.yml", "w") as file:
        json.dump({"global": {"scrape_interval": "5s"}, "scrape_configs": [scrape]}, file)
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    command.append(f"--web.listen-address={PROMETHEUS}")
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def call(name, method, path, token=None, body=None):
    request = urllib.request.Request(f"http://{os.environ['SCDEV_INGRESS']}/api/v1/accounts{path}", method=method)
    request.add_header("Host", f"{name}.example.com")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    if body:
        request.add_header("Content-Type", "application/json")
        request.data = json.dumps(body).encode()
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer).get("data")
    except (urllib.error.URLError, TimeoutError):
        return None


def client(name, number, end):
    """A user who logs in, sometimes mistypes, reads, and logs out or forgets to."""
    user, password = f"user{number}", "correct horse battery"
    call(name, "POST", "/register", body={"username": user, "name": user, "email": f"{user}@example.com", "password": password})
    while time.time() < end:
        if random.random() < 0.1:
            call(name, "POST", "/login", body={"username": user, "password": "mistyped"})
        tokens = call(name, "POST", "/login", body={"username": user, "password": password})
        for _ in range(random.randrange(5, 30)):
            call(name, "GET", "/me", token=(tokens or {}).get("access_token", "none"))
            time.sleep(random.random())
        if tokens and random.random() < 0.5:
            call(name, "DELETE", "/logout", token=tokens["access_token"])


def change(end):
    """Keeps the operator busy."""
    while time.time() < end:
        time.sleep(60)
        kubectl("label", "deployment", "blue", "-n", "blue", "app.kubernetes.io/name=edited", "--overwrite")


def ask(expression, start, end):
    # Shorter windows, since the picture covers only some minutes.
    expression = expression.replace("$namespace", ".*").replace("[5m]", "[1m]")
    query = urllib.parse.urlencode({"query": expression, "start": start, "end": end, "step": STEP})
    with urllib.request.urlopen(f"http://{PROMETHEUS}/api/v1/query_range?{query}") as answer:
        return json.load(answer)["data"]["result"]


def legend(form, labels):
    for name, value in labels.items():
        form = form.replace("{{" + name + "}}", value)
    return form


def draw_panel(axes, panel, start, end):
    axes.set_title(panel["title"], loc="left", fontweight="bold")
    series = [(t.get("legendFormat", ""), s) for t in panel["targets"] for s in ask(t["expr"], start, end)]
    if panel["type"] == "stat":
        axes.axis("off")
        value = series[0][1]["values"][-1][1] if series else "no data"
        axes.text(0.5, 0.4, value, ha="center", va="center", fontsize=22)
        return
    for form, one in series:
        points = [(datetime.fromtimestamp(when, timezone.utc), float(value)) for when, value in one["values"]]
        axes.plot(*zip(*points), linewidth=1, label=legend(form, one["metric"]))
    unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit", "none")
    axes.set_ylabel({"ops": "per second", "reqps": "per second", "s": "seconds"}.get(unit, ""))
    # Leaves room for the legend.
    axes.set_ylim(bottom=0, top=1.4 * max(1e-9, axes.get_ylim()[1]))
    axes.grid(alpha=0.3)
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M"))
    axes.xaxis.set_major_locator(dates.MinuteLocator(interval=2))
    axes.legend(fontsize=5, loc="upper left", ncols=2)


def draw(file, start, end):
    with open("config/monitoring/dashboard.json") as text:
        panels = json.load(text)["panels"]
    height = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in panels)
    figure = plt.figure(figsize=(13, height * 0.34))
    for panel in panels:
        place = panel["gridPos"]
        left, bottom = place["x"] / 24, 1 - (place["y"] + place["h"]) / height
        if panel["type"] == "row":
            figure.text(0.01, bottom + 0.3 / height, panel["title"], fontsize=10, fontweight="bold")
            continue
        size = (place["w"] / 24 - 0.05, (place["h"] - 2) / height)
        draw_panel(figure.add_axes((left + 0.04, bottom + 0.9 / height, *size)), panel, start, end)
    figure.savefig(file, metadata={"Date": None})


def main():
    for name in NAMES:
        scauth(name)
    with tempfile.TemporaryDirectory() as folder:
        prometheus = start_prometheus(folder)
        start, end = time.time() + 20, time.time() + MINUTES * 60
        threads = [threading.Thread(target=client, args=(NAMES[n % 2], n, end)) for n in range(24)]
        threads.append(threading.Thread(target=change, args=(end,)))
        for thread in threads:
            thread.start()
            time.sleep(3)
        for thread in threads:
            thread.join()
        draw(sys.argv[1], start, end)
        prometheus.terminate()
        prometheus.wait()
    for name in NAMES:
        kubectl("delete", "scauth", name)
        kubectl("delete", "namespace", name, "--wait=false")


main()
