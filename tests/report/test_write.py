"""The report is whole, honest, safe and self-contained."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from brainograph.files import write_tsv
from brainograph.report import write_report

HOSTILE = '<script>alert("x")</script> & $\\frac'


class Page(HTMLParser):
    """The tags, attributes and text of a page; also that its tags are closed in order."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.words, self.open = [], [], [], []
        self.scripts = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        self.scripts += [dict(attrs)] if tag == "script" else []
        if tag not in {"meta", "br", "link", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in {"style", "script"}:
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


def simulate(folder, *, n=120, effects=None, site="A", n_folds=4):
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    ids = [f"sub-{i:03d}" for i in range(n)]
    rows = {"participant_id": ids, "repeat": 0, "fold": np.arange(n) // 2 % n_folds, "y_true": y}
    rows["site"] = np.where(np.arange(n) < n // 2, site, "B")
    noise = rng.normal(size=n)
    tables = []
    for model, effect in (effects or {"gcn": 2.0, "edges_logistic": 2.0, "motion": 0.0}).items():
        logit = effect * (y - 0.5) + noise + 0.2 * rng.normal(size=n)
        columns = {"model": model, "regime": "inductive", "y_score": 1 / (1 + np.exp(-logit))}
        tables.append(pd.DataFrame(rows | columns))
    write_tsv(pd.concat(tables), folder / "predictions.tsv")
    return folder


def explain(folder, *, region="left amygdala"):
    regions = {"region": [region, "b", "c"], "x": [-20.0, 20.0, 0.0], "y": [0.0, 0.0, -80.0]}
    regions |= {"z": [-10.0, -10.0, 10.0], "importance": [0.5, -0.2, 0.1]}
    write_tsv(pd.DataFrame(regions), folder / "explanations" / f"saliency {region[:8]}.tsv")
    edges = {"region_a": [region, "b"], "region_b": ["c", "c"], "importance": [0.2, -0.4]}
    write_tsv(pd.DataFrame(edges), folder / "explanations" / "edges.tsv")


def complete(folder, **arguments):
    simulate(folder, **arguments)
    participants = {"participant_id": [f"sub-{i:03d}" for i in range(120)], "age": 20.0}
    participants |= {"sex": ["female", "male", "male"] * 40, "mean_fd": 0.1}
    write_tsv(pd.DataFrame(participants), folder / "participants.tsv")
    failures = {"participant_id": ["sub-900"], "source": ["bold.nii.gz"], "reason": ["truncated"]}
    write_tsv(pd.DataFrame(failures), folder / "failures.tsv")
    (folder / "config.yaml").write_text("model: <gcn>\n", encoding="utf-8")
    (folder / "splits.json").write_text("{}", encoding="utf-8")
    provenance = {"title": "A study", "main": "gcn", "models": ["gcn", "motion"], "seed": 7}
    provenance |= {"data": {"atlas": "HO", "n_regions": 110}, "wall_time_s": 3725}
    provenance |= {"participants": {"found": 121, "analysed": 120, "failures": 1}}
    provenance |= {"notes": {"did not converge": 3}, "versions": {"numpy": "2.0"}}
    (folder / "provenance.json").write_text(json.dumps(provenance), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    folder = tmp_path_factory.mktemp("all") / "results0"
    return write_report(complete(folder)).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    folder = complete(
        tmp_path_factory.mktemp("hostile"), site=HOSTILE, effects={HOSTILE: 2.0, "motion": 0.0}
    )
    explain(folder, region=HOSTILE)
    reason = pd.DataFrame({"participant_id": [HOSTILE], "source": [HOSTILE], "reason": [HOSTILE]})
    write_tsv(reason, folder / "failures.tsv")
    provenance = {"title": HOSTILE, "command": HOSTILE, "notes": {HOSTILE: 1}, HOSTILE: HOSTILE}
    (folder / "provenance.json").write_text(json.dumps(provenance), encoding="utf-8")
    (folder / "config.yaml").write_text(HOSTILE, encoding="utf-8")
    return write_report(folder).read_text(encoding="utf-8")


def test_page_says_what_was_run(html):
    text = Page(html).text
    for words in (
        "A study",
        "120 (60 patients, 60 controls) from 2 sites",
        "4-fold cross-validation",
        "1 h 2 min",
        "110",
        "HO",
        "did not converge (3 fits)",
        "truncated",
        "121 found",
        "20 of 60 (33%)",
        "20.0 ± 0.0",
        "model: <gcn>",
        "research use only",
        "versions.numpy",
        "Copy the methods",
        "Differences were tested over folds",
        "for the authors",
    ):
        assert words in text
    assert "Missing from this results folder" not in text


def test_verdict_is_honest(html):
    text = Page(html).text
    assert "gcn tells patients from controls better than chance (AUC 0." in text
    assert "better than motion; no better than edges_logistic" in text


def test_page_loads_nothing(html):
    page = Page(html)
    links = [value for _, name, value in page.attributes if name in {"href", "src", "xlink:href"}]
    assert links
    assert all(link.startswith(("#", "data:")) for link in links)
    rest = html.replace("http://www.w3.org/2000/svg", "")  # a name that the script gives
    assert not re.search(r"https?://|@import|url\((?!#)", rest)
    assert not {"iframe", "object", "img"} & set(page.tags)
    assert page.scripts == [{}]


def test_no_script_but_that_of_the_page_can_run(html):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1]
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_page_is_small_and_the_same_again(html, tmp_path):
    assert len(html.encode()) < 5e6
    assert write_report(complete(tmp_path / "results0")).read_text("utf-8") == html


def test_page_can_be_read_by_everyone(html):
    page = Page(html)
    assert page.open == []
    assert page.tags.count("h1") == 1
    assert page.tags.count("caption") == page.tags.count("table")
    assert ("html", "lang", "en") in page.attributes
    labels = [v for tag, name, v in page.attributes if tag == "div" and name == "aria-label"]
    assert all(labels)
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    anchors = [v[1:] for tag, name, v in page.attributes if tag == "a" and v.startswith("#")]
    assert set(anchors) <= set(ids)
    headings = [int(tag[1]) for tag in page.tags if re.fullmatch("h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in pairwise(headings))


def test_special_characters_are_shown_and_never_run(hostile):
    page = Page(hostile)
    assert page.open == []
    assert page.scripts == [{"type": "application/json", "id": "connectome-data"}, {}]
    assert page.text.count('<script>alert("x")</script> & $') >= 20
    assert hostile.count("<script") == 2
    data = re.search(r'id="connectome-data">(.*?)</script>', hostile, re.DOTALL)[1]
    assert json.loads(data)["nodes"][0][0] == HOSTILE
    assert "<" not in data


def test_missing_files_are_named_and_the_rest_is_reported(tmp_path):
    text = Page(write_report(simulate(tmp_path)).read_text(encoding="utf-8")).text
    for name in ("provenance.json", "config.yaml", "splits.json", "failures.tsv"):
        assert f"{name} is missing" in text
    assert "gcn tells patients from controls" in text
    assert "no readable failures.tsv" in text
    assert "There are none in this results folder. Run brainograph explain MODEL" in text
    assert "No audit was run." in text
    assert "kept no training curves" in text


def test_broken_files_are_named_and_the_rest_is_reported(tmp_path):
    folder = complete(tmp_path)
    (folder / "provenance.json").write_text("{broken", encoding="utf-8")
    (folder / "participants.tsv").write_text("age\n20\n", encoding="utf-8")
    text = Page(write_report(folder).read_text(encoding="utf-8")).text
    assert "provenance.json could not be read" in text
    assert "participants.tsv could not be read (it has no column participant_id)" in text


def test_no_predictions_says_what_to_type(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"run `brainograph crossval CONFIG {tmp_path}`"):
        write_report(tmp_path)
    (tmp_path / "folds").mkdir()
    (tmp_path / "folds" / "gcn__inductive__repeat0_fold0.tsv").write_text("x", encoding="utf-8")
    with pytest.raises(FileNotFoundError, match="did not end left 1 fits, which are kept"):
        write_report(tmp_path)
    (tmp_path / "predictions.tsv").write_text("participant_id\tmodel\n", encoding="utf-8")
    with pytest.raises(ValueError, match="has 0 rows"):
        write_report(tmp_path)


def test_one_site_and_one_model_still_make_a_page(tmp_path):
    folder = simulate(tmp_path, effects={"gcn": 0.0}, site="B")
    page = Page(write_report(folder).read_text(encoding="utf-8"))
    assert "does not tell patients from controls better than chance" in page.text
    assert "No other model was run on these folds" in page.text
    assert "Scores by site are not given" in page.text


def test_predictions_without_sites_still_make_a_page(tmp_path):
    folder = simulate(tmp_path)
    table = pd.read_csv(folder / "predictions.tsv", sep="\t").assign(site=np.nan)
    write_tsv(table, folder / "predictions.tsv")
    assert "from 0 sites" not in Page(write_report(folder).read_text(encoding="utf-8")).text


def test_leave_one_site_out_is_recognised(tmp_path):
    folder = simulate(tmp_path)
    table = pd.read_csv(folder / "predictions.tsv", sep="\t")
    write_tsv(table.assign(fold=(table["site"] == "B").astype(int)), folder / "predictions.tsv")
    text = Page(write_report(folder).read_text(encoding="utf-8")).text
    assert "leave one site out, 2 folds" in text


def test_the_gap_between_regimes_has_a_row(tmp_path):
    simulate(tmp_path, effects={"gcn": 2.0})
    table = pd.read_csv(tmp_path / "predictions.tsv", sep="\t")
    alone = table.assign(regime="single_query", y_score=table["y_score"] * 0.9)
    write_tsv(pd.concat([table, alone]), tmp_path / "predictions.tsv")
    text = Page(write_report(tmp_path).read_text()).text
    assert "The gap between regimes" in text
    assert "inductive single_query 0.000" in text.replace("−", "")
    assert "each predicted alone" in text


def test_a_model_on_other_folds_is_left_out_of_the_comparison(tmp_path):
    simulate(tmp_path)
    table = pd.read_csv(tmp_path / "predictions.tsv", sep="\t")
    table.loc[table["model"] == "motion", "fold"] = (table["fold"] + 1) % 3
    write_tsv(table, tmp_path / "predictions.tsv")
    text = Page(write_report(tmp_path).read_text()).text
    assert "motion is not compared with gcn" in text
    assert "no better than edges_logistic" in text


def several_classes(folder):
    simulate(folder)
    table = pd.read_csv(folder / "predictions.tsv", sep="\t").drop(columns="y_score")
    table["y_true"] = table["participant_id"].str[-3:].astype(int) % 3
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(len(table), 3))
    known = (table["model"] != "motion").to_numpy()
    logits[known, table["y_true"][known]] += 2
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    table[["p_0", "p_1", "p_2"]] = shares
    write_tsv(table, folder / "predictions.tsv")
    config = "target: {column: stage, classes: [early, '<late>', never]}\n"
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    return folder


def test_several_classes_have_a_report(tmp_path):
    page = Page(write_report(several_classes(tmp_path)).read_text())
    text = page.text
    assert (
        "tells stage early, stage <late> and stage never apart better than chance (AUC 0." in text
    )
    assert "40 stage early, 40 stage <late>, 40 stage never" in text
    assert "called stage <late>" in text
    assert "By class" in text
    assert "better than motion" in text
    assert "late" not in page.tags


def test_a_number_has_a_report(tmp_path):
    simulate(tmp_path)
    table = pd.read_csv(tmp_path / "predictions.tsv", sep="\t").drop(columns="y_score")
    rng = np.random.default_rng(0)
    table["y_true"] = 20.0 + table["participant_id"].str[-3:].astype(int) % 40
    spread = np.where(table["model"] == "motion", 20, 4)
    table["y_pred"] = table["y_true"] + spread * rng.normal(size=len(table))
    write_tsv(table, tmp_path / "predictions.tsv")
    (tmp_path / "config.yaml").write_text("target: {column: age, number: true}", encoding="utf-8")
    text = Page(write_report(tmp_path).read_text()).text
    assert "gcn predicts age better than always answering the mean (R² 0." in text
    assert "age 39.5 ± 11.59" in text
    assert "mean absolute error" in text
    assert "patients" not in text.replace("Patients and the public", "").replace("in patients", "")


def everything(folder):
    """A results folder with all that may lie in one."""
    explain(complete(folder))
    findings = {"check": ["row_order", "phenotypes"], "status": ["pass", "fail"]}
    findings |= {"value": [0.0, 0.97], "expected": ["0", "below 0.9"], "message": ["m1", HOSTILE]}
    write_tsv(pd.DataFrame(findings), folder / "audit.tsv")
    chosen = {"model": "gcn", "regime": "inductive", "repeat": 0, "fold": [0, 1, 2]}
    chosen |= {"parameter": "C", "value": ["1", "10", "1"], "inner_score": 0.7}
    write_tsv(pd.DataFrame(chosen), folder / "search.tsv")
    rows = {"epoch": [0, 1, 2] * 2, "loss": [0.7, 0.5, 0.3] * 2, "validation": 0.6}
    write_tsv(pd.DataFrame(rows), folder / "histories.tsv")
    table = pd.read_csv(folder / "predictions.tsv", sep="\t")
    table["entropy"] = 1 - (table["y_score"] - 0.5).abs()
    write_tsv(table.assign(set_0=1, set_1=table["y_true"]), folder / "predictions.tsv")
    explanations = folder / "explanations"
    write_tsv(pd.DataFrame({"window": [1]}), explanations / "windows.tsv")
    write_tsv(pd.DataFrame({"place": [1], "importance": [1]}), explanations / "places.tsv")
    agreement = {"rank_correlation": [0.5, 0.7], "jaccard": [0.2, 0.4]}
    write_tsv(pd.DataFrame(agreement), explanations / "folds.tsv")
    checked = {"randomized": ["all"], "rank_correlation": [0.9], "passed": [False]}
    write_tsv(pd.DataFrame(checked), explanations / "sanity.tsv")
    return folder


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    folder = tmp_path_factory.mktemp("full")
    page = folder / "pages" / "a.html"
    assert write_report(everything(folder), page) == page
    return page.read_text(encoding="utf-8")


def test_an_audit_is_shown_the_worst_first(full):
    text = Page(full).text
    assert HOSTILE in text
    assert "<script>alert" not in full
    assert text.index("phenotypes fail") < text.index("row order pass")


def test_what_searches_chose_is_shown(full):
    assert "C 3 1 (2), 10 (1)" in Page(full).text


def test_training_curves_are_drawn(full):
    assert "Loss of each epoch" in Page(full).text
    assert "kept no training curves" not in Page(full).text


def test_uncertainty_and_sets_are_checked_where_they_are_given(full):
    assert "entropy 0." in Page(full).text
    assert "all 120 100.0 % 97 to 100 % 1.50 50 %" in Page(full).text


def test_sex_and_age_are_compared_where_they_are_known(full):
    assert "By sex" in Page(full).text
    assert "By age" not in Page(full).text  # everybody is of one age


def test_explanations_are_shown_by_region(full):
    text = Page(full).text
    assert "left amygdala 0.5 0.5 b 0.2 −0.2 c 0.1 0.1" in text
    assert "b – c 0.4 −0.4 left amygdala – c 0.2 0.2" in text
    assert "explanations/places.tsv could not be read (the table has the columns" in text
    assert "correlate by 0.60 on average, and the most important overlap by 0.30," in text
    assert "sanity: the explanation hardly changes when the model forgets" in text
    assert "Where the regions lie is not known" not in text


def test_a_page_may_go_into_another_folder(tmp_path):
    (tmp_path / "pages").mkdir()
    page = write_report(simulate(tmp_path / "results", n=40), tmp_path / "pages")
    assert page == tmp_path / "pages" / "report.html"
