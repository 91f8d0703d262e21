"""The server of the page: what it sends, page by page and live, and what it refuses."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient
from study_factory import write_study

from littlehuman import view
from littlehuman.economics.allocation import Terms
from littlehuman.economics.plan import PlanRequest, plan_of_scores
from littlehuman.reporting import gathering
from littlehuman.store import read_jsonl, write_text
from littlehuman.study.look_design import FILE
from littlehuman.study.scores import read_scores
from littlehuman.webpage import cells, documents, server
from littlehuman.webpage.items import Asked, page_of_cell
from littlehuman.webpage.studies import DESIGN, Studies, studies_at

CAUSE = "</script><script>alert(1)</script>\u2028 & more"
STUDY = "/api/study/small"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study with a curve, a trade-off, twins, rejected answers and a failure; and an empty folder."""
    place = tmp_path_factory.mktemp("page") / "multirun"
    write_study(place / "small", fractions=(0.0, 0.9, 1.0), seeds=(0, 1), items=60, texts=40, failing={(0.9, 1): CAUSE})
    write_study(place / "small", fractions=(1.0,), seeds=(0, 1), sizes=(1000, 2000), extra_human=(0, 200), items=60)
    (place / "empty").mkdir()
    return place


@pytest.fixture
def client(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("LITTLEHUMAN_CACHE", str(tmp_path))
    monkeypatch.setattr(documents, "ProcessPoolExecutor", lambda *_, **__: ThreadPoolExecutor(1))
    app = server.application(studies_at(root), view.document_of, view.texts_of_cell)
    with TestClient(app, base_url="http://127.0.0.1") as made:
        yield made


def _document(client: TestClient) -> dict[str, Any]:
    until = time.monotonic() + 120
    while (answer := client.get(f"{STUDY}/document")).status_code == 202 and time.monotonic() < until:
        time.sleep(0.05)
    found: dict[str, Any] = answer.json()
    return found


def test_the_document_has_the_numbers_of_the_report_and_every_run_of_its_curves(client: TestClient, root: Path) -> None:
    shown, found = _document(client), gathering.gather(root / "small")
    (curve,), (line,) = shown["curves"], found.lines
    assert [share["score"]["value"] for share in curve["shares"]] == pytest.approx(list(line.table["mean"]))
    assert len(curve["runs"]) == len(line.curve.cells) == 5
    assert {run[4] for run in curve["runs"]} == set(line.curve.cells["cell"])
    (priced,) = shown["tradeoffs"]
    worth, price = priced["worth"][0], found.tradeoffs[0].price
    assert price and worth["n"][-1] == price.headline.n
    assert worth["value"][-1] == pytest.approx(price.headline.worth.value, rel=1e-6) or worth["value"][-1] == "inf"
    assert client.get(f"{STUDY}/state").json()["document"] == client.get(f"{STUDY}/state").json()["stamp"]


def test_the_start_page_lists_folders_with_runs_alone(client: TestClient) -> None:
    (one,) = client.get("/api/studies").json()["studies"]
    assert one["name"] == "small" and one["progress"]["counts"] == {"done": 13, "failed": 1}
    assert one["progress"]["causes"][0][1] == 1


def test_pages_hold_every_item_once_and_filters_find_what_the_file_has(client: TestClient, root: Path) -> None:
    cell = next(row[0] for row in client.get(f"{STUDY}/state").json()["cells"]["rows"] if row[1] == "done")
    first = client.get(f"{STUDY}/items", params={"cell": cell}).json()
    pages = [client.get(f"{STUDY}/items", params={"cell": cell, "page": n}).json() for n in range(first["pages"])]
    ids = [row["id"] for page in pages for row in page["rows"]]
    written = list(read_jsonl(root / "small" / cell / "predictions.jsonl"))
    assert ids == [row["id"] for row in written] and first["total"] == 60
    right = sum(row["scores"]["accuracy"] == 1 for row in written)
    for show, count in (("right", right), ("wrong", 60 - right), ("between", 0)):
        assert client.get(f"{STUDY}/items", params={"cell": cell, "show": show}).json()["total"] == count
    found = client.get(f"{STUDY}/items", params={"cell": cell, "words": "T59"}).json()
    assert [row["id"] for row in found["rows"]] == ["t59"] and found["of"] == 60
    beyond = client.get(f"{STUDY}/items", params={"cell": cell, "page": 999}).json()
    assert beyond["page"] == first["pages"] - 1 and beyond["rows"]


def test_twins_and_rejected_answers_stand_with_their_reasons_and_say_that_texts_are_not_at_hand(
    client: TestClient,
) -> None:
    rows = client.get(f"{STUDY}/state").json()["cells"]["rows"]
    cell = next(row[0] for row in rows if row[1] == "done" and row[10] and row[0].startswith("wanli-f0.9"))
    while (twins := client.get(f"{STUDY}/items", params={"cell": cell, "kind": "twins"}).json())["reading"]:
        time.sleep(0.05)
    rejected = client.get(f"{STUDY}/items", params={"cell": cell, "kind": "rejected"}).json()
    assert twins["total"] == 40 and twins["rows"][0] == {"id": "p0", "evidence": None, "human": None, "twin": None}
    assert rejected["total"] == 2 and "unsupported requested" in rejected["rows"][0]["reason"]
    assert any("not at hand" in note for note in twins["notes"])


def test_items_on_which_shares_disagree_come_first(client: TestClient) -> None:
    name = _document(client)["curves"][0]["name"]
    page = client.get(f"{STUDY}/items", params={"kind": "disagreement", "curve": name}).json()
    apart = [np.ptp([mean for _, mean in row["scores"]]) for row in page["rows"]]
    assert page["total"] == 60 and apart == sorted(apart, reverse=True) and apart[0] > apart[-1]


@pytest.mark.parametrize(
    ("path", "code", "said"),
    [
        ("/api/study/other/state", 404, "no such study"),
        ("/api/study/empty/state", 404, "no such study"),
        ("/api/study/..%2Fsmall/state", 404, ""),
        (f"{STUDY}/items?cell=..%2F..%2Fetc", 400, "is no run of this study"),
        (f"{STUDY}/items?kind=twin", 400, "did you mean 'twins'?"),
        (f"{STUDY}/items?page=-1", 400, "is no number of a page"),
        (f"{STUDY}/items?kind=disagreement&curve=x", 400, "is no curve of this study"),
        (f"{STUDY}/plan?human_price=cheap", 400, "is no number"),
        (f"{STUDY}/plan?series=wanli&human_price=-1&synthetic_price=1&budget=5", 400, "human-price"),
        ("/static/../server.py", 404, ""),
        ("/static/%2e%2e/server.py", 404, ""),
    ],
)
def test_what_is_not_there_or_makes_no_sense_is_refused_with_a_word(
    client: TestClient, path: str, code: int, said: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == code and said in answer.text and "Traceback" not in answer.text


def test_the_plan_of_the_page_is_that_of_the_command(client: TestClient, root: Path) -> None:
    asked = {"series": "wanli", "human_price": "0.8", "synthetic_price": "0.002", "budget": "300"}
    told = client.get(f"{STUDY}/plan", params=asked).json()
    (scored,) = read_scores(root / "small")
    plan = plan_of_scores(scored, PlanRequest(Terms(0.8, 0.002, scored.owned_human), 300.0))
    assert plan.best and told["plan"]["n_human"] == plan.best.n_human and told["text"] == plan.text()


def test_a_name_of_elsewhere_that_points_here_is_refused(client: TestClient) -> None:
    assert client.get(f"{STUDY}/state", headers={"host": "evil.example:8765"}).status_code == 400
    assert client.get("/", headers={"host": "127.0.0.1.evil.example"}).status_code == 400
    assert client.get("/", headers={"host": "localhost:8765"}).status_code == 200


def test_every_answer_forbids_scripts_and_places_that_are_not_the_page_s_own(client: TestClient) -> None:
    for path in ("/", "/api/studies", "/static/page.css", "/nowhere", "/study/small"):
        policy = client.get(path).headers["content-security-policy"]
        assert policy.startswith("default-src 'none'") and "unsafe" not in policy and "http" not in policy
    assert client.post("/api/studies").status_code == 405


def test_a_page_that_is_open_is_told_of_each_new_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITTLEHUMAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(server, "TICK_S", 0.01)
    monkeypatch.setattr("littlehuman.webpage.studies.FRESH_S", 0.0)
    write_study(tmp_path / "s", fractions=(0.0,), seeds=(0,), items=20)

    class Quiet(documents.Documents):
        def refresh(self, look: Any) -> None:
            """No document is made."""

    watching = server._Server(Studies(tmp_path), Quiet(view.document_of), None)  # type: ignore[arg-type]

    async def watch() -> list[dict[str, Any]]:
        events, told = watching._watch("s"), []
        told.append(await anext(events))
        write_study(tmp_path / "s", fractions=(1.0,), seeds=(0,), items=20)
        told.append(await anext(events))
        await events.aclose()  # type: ignore[attr-defined]
        return [json.loads(event.split("data: ")[1]) for event in told]

    before, after = asyncio.run(watch())
    assert before["progress"]["counts"] == {"done": 1} and after["progress"]["counts"] == {"done": 2}
    assert before["stamp"] != after["stamp"]


def test_a_document_is_kept_and_one_of_other_runs_is_not_called_current(client: TestClient, root: Path) -> None:
    _document(client)
    look = studies_at(root).look("small")
    again = documents.Documents(view.document_of)
    assert look and again.is_current(look)
    rows = [row | {"score": 0.5} for row in look.rows]
    assert cells.stamp(rows) != cells.stamp(look.rows)
    assert DESIGN == FILE
    try:
        write_text(root / "small" / FILE, "{}")
        changed = studies_at(root).look("small")
        assert changed and not again.is_current(changed)
    finally:
        (root / "small" / FILE).unlink()


def test_progress_counts_what_the_last_sweep_has_not_begun(tmp_path: Path) -> None:
    sweep = "hydra:\n  overrides:\n    task: ['synth_frac=0,0.5,1', study=s]\n  sweeper:\n    params: {seed: '0, 1'}\n"
    write_text(tmp_path / "multirun.yaml", sweep)
    rows: list[dict[str, Any]] = [{"cell": "a", "state": "done", "seconds": 10.0, "usd": 0.5}]
    rows += [{"cell": "b", "state": "running", "seconds": ""}, {"cell": "c", "state": "failed", "error": "disk full"}]
    found = cells.progress(tmp_path, rows)
    assert found["counts"] == {"done": 1, "running": 1, "failed": 1, "waiting": 3}
    assert found["eta_s"] == 40.0 and found["usd"] == 0.5 and found["causes"] == [("disk full", 1)]
    write_text(tmp_path / "multirun.yaml", "nothing: [")
    assert cells.planned(tmp_path) == 0


def test_a_run_whose_predictions_are_gone_has_a_page_that_says_so(tmp_path: Path) -> None:
    page = page_of_cell(tmp_path, Asked())
    assert page["rows"] == [] and any("is gone" in note for note in page["notes"])
