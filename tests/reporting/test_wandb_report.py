"""The W&B report as it is saved: a small server stands in for W&B's and keeps what it is sent."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from zsvideo.errors import UserError
from zsvideo.reporting.studies.wandb_report import save_report

USER = {
    "id": "u",
    "entity": "me",
    "username": "me",
    "email": "",
    "flags": "{}",
    "teams": {"edges": []},
}
PROJECT = {
    "id": "p",
    "internalId": "7",
    "name": "videos",
    "entityName": "me",
    "createdAt": "2026-01-01T00:00:00",
    "isBenchmark": False,
    "user": None,
}


def answer(query, given):
    """Answer the queries that W&B's libraries send when a report is saved."""
    if "upsertView" in query:
        view = {
            "id": "V1",
            "name": "x",
            "displayName": given["displayName"],
            "description": "",
            "type": given["type"],
            "project": PROJECT,
            "spec": given["spec"],
            "createdAt": "2026-01-01T00:00:00",
            "updatedAt": "2026-01-01T00:00:00",
            "user": {"name": "me", "username": "me"},
        }
        return {"upsertView": {"view": view, "inserted": True}}
    if "ProjectInternalId" in query:
        return {"project": PROJECT if given["projectName"] == "videos" else None}
    if "models" in query:
        page = {"endCursor": None, "hasNextPage": False}
        return {"models": {"edges": [{"node": PROJECT, "cursor": ""}], "pageInfo": page}}
    return {"viewer": USER} if "viewer" in query else {}


@pytest.fixture
def saved(monkeypatch, tmp_path):
    """Stand in for W&B's server; gives the list of what is saved there."""
    kept = []

    class Server(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            asked = json.loads(body) if self.path == "/graphql" else {"query": ""}
            if "upsertView" in asked["query"]:
                kept.append(asked["variables"])
            found = answer(asked["query"], asked.get("variables"))
            sent = json.dumps({"data": found}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name, value in (
        ("BASE_URL", f"http://127.0.0.1:{server.server_port}"),
        ("MODE", "online"),
        ("API_KEY", "0" * 40),
        ("CONFIG_DIR", str(tmp_path)),
    ):
        monkeypatch.setenv(f"WANDB_{name}", value)
    yield kept
    server.shutdown()


def test_the_saved_report_has_a_panel_for_each_question(saved):
    pytest.importorskip("wandb_workspaces")
    assert save_report("me/videos", ["ucf101", "hmdb51"]).startswith("http://127.0.0.1")
    (sent,) = saved
    assert (sent["entityName"], sent["projectName"], sent["type"]) == ("me", "videos", "runs")
    blocks = json.loads(sent["spec"])["blocks"]
    asked = [b["children"][0]["text"] for b in blocks if b["type"] == "heading"]
    grids = [b["metadata"] for b in blocks if b["type"] == "panel-grid"]
    assert len(asked) == len(grids) == 7 and all(question.endswith("?") for question in asked)

    def groups(grid):
        filters = [
            {f["key"]["name"]: f["value"] for f in runs["filters"]["filters"]}
            for runs in grid["runSets"]
        ]
        assert all(f["state"] == "finished" for f in filters)
        assert all(runs["project"]["name"] == "videos" for runs in grid["runSets"])
        return [f["group"] for f in filters]

    assert [groups(grid) for grid in grids[:4]] == [
        ["fig4_classes"],
        ["fig4_classes", "fig4_samples"],
        ["fig5"],
        ["table3"],
    ]
    panels = [[p["config"] for p in g["panelBankSectionConfig"]["panels"]] for g in grids]
    axes = [(p["xAxis"], p["yAxis"], p["xAxisLogScale"]) for three in panels[:3] for p in three]
    assert axes == [
        (f"summary:subset/{size}", f"summary:{target}/full/top1", size != "diversity")
        for size in ("classes", "videos", "diversity")
        for target in ("ucf101", "hmdb51")
    ]
    assert [three[0].get("groupBy") for three in panels[3:6]] == [
        "method.value.frozen",
        None,
        "pretrain.value.name",
    ]
    assert [p["metrics"][-1] for p, _ in panels[3:6]] == ["summary_metrics.ucf101/full/top1"] * 3
    assert panels[4][0]["metrics"][0] == "summary_metrics.ucf101_1clip/full/top1"
    assert [len(p["metrics"]) for p, _ in panels[3:6]] == [1, 2, 1]
    assert (panels[6][0]["xAxis"], panels[6][0]["metrics"]) == ("epoch", ["train/loss_epoch"])


def test_where_no_report_can_be_saved(saved):
    with pytest.raises(UserError, match="ENTITY/PROJECT"):
        save_report("videos", ["ucf101"])
    pytest.importorskip("wandb_workspaces")
    with pytest.raises(UserError, match=r"does not take the report .*me/nothing"):
        save_report("me/nothing", ["ucf101"])
    assert not saved
