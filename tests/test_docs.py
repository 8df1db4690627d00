"""Every code block of the documentation runs, and the pages name what is there.

A block of ``python`` or ``bash`` is run, in the order of its page and in a folder with the data of
``world``; of ``bash`` only ``brainograph`` commands are allowed. A comment before a block says
otherwise: ``<!-- not run: REASON -->``, or ``<!-- file: NAME -->`` for a block that is written to a
file. ``yaml`` is parsed; other languages are text.
"""

import importlib
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import brainograph
from brainograph import cli
from brainograph.config import load_config
from brainograph.datasets import simulate_cohort, simulate_fmriprep

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
MADE = ("_build", "generated", "commands.md")
PAGES = sorted(p for p in DOCS.rglob("*.md") if not set(MADE) & set(p.relative_to(DOCS).parts))
BLOCK = re.compile(
    r"(?:^<!-- (?P<note>.*?) -->\n)?^```(?P<language>\w+)\n(?P<code>.*?)^```", re.M | re.S
)


@dataclass
class Block:
    """A fenced block: its language, its text and what the comment before it says."""

    language: str
    code: str
    note: str

    @property
    def runs(self):
        return self.language in ("python", "bash") and not self.note.startswith("not run: ")


def blocks(page):
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(m["language"], m["code"], m["note"] or "") for m in found]


def commands(code):
    """Return the commands of a shell block, one list of words each."""
    lines = code.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def write_tables(folder, cohort, arrays, ending):
    folder.mkdir()
    for name, array in zip(cohort.participant_ids, arrays, strict=True):
        np.savetxt(folder / f"{name}.{ending}", array, delimiter=",")
    cohort.phenotype.to_csv(folder / "participants.tsv", sep="\t", na_rep="n/a")


def write_cpac(folder, rng):
    people = ["NYU_0050952", "Leuven_1_0050682", "KKI_0050772", "Pitt_0050003"]
    series = folder / "cpac" / "filt_noglobal"
    series.mkdir(parents=True)
    for atlas in ("ho", "cc200"):
        for name in people:
            np.savetxt(
                series / f"{name}_rois_{atlas}.1D", rng.standard_normal((30, 4)),
                delimiter="\t", comments="", header="#17\t#53\t#2001\t#2002",
            )  # fmt: skip
    table = {
        "SUB_ID": [int(name[-5:]) for name in people],
        "SITE_ID": ["NYU", "LEUVEN_1", "KKI", "PITT"],
        "FILE_ID": people,
        "DX_GROUP": [1, 2, 2, 1],
        "AGE_AT_SCAN": [10.5, 20, 30, 40],
        "SEX": [1, 2, 1, 1],
    }
    pd.DataFrame(table).to_csv(folder / "Phenotypic_V1_0b_preprocessed1.csv", index=False)


def write_xcpd(folder, rng):
    for name in ("sub-01", "sub-02", "sub-03"):
        func = folder / name / "func"
        func.mkdir(parents=True)
        stem = func / f"{name}_task-rest"
        values = pd.DataFrame(rng.standard_normal((30, 3)), columns=["a", "b", "c"])
        values.to_csv(
            f"{stem}_space-MNI_seg-4S156Parcels_stat-mean_timeseries.tsv", sep="\t", index=False
        )
        motion = pd.DataFrame({"framewise_displacement": [np.nan] + [0.1] * 29})
        motion.to_csv(f"{stem}_motion.tsv", sep="\t", index=False, na_rep="n/a")
        outliers = pd.DataFrame({"framewise_displacement": [0] * 29 + [1]})
        outliers.to_csv(f"{stem}_outliers.tsv", sep="\t", index=False)
    ages = {"participant_id": ["sub-01", "sub-02", "sub-03"], "age": [1, 2, 3]}
    pd.DataFrame(ages).to_csv(folder / "participants.tsv", sep="\t", index=False)


def write_freesurfer(folder, rng):
    tables = folder / "tables"
    tables.mkdir(parents=True)
    for hemisphere in "lr":
        for measure in ("thickness", "area", "volume"):
            names = [f"{hemisphere}h_{one}_{measure}" for one in ("insula", "cuneus", "precuneus")]
            table = pd.DataFrame(rng.uniform(1, 3, (4, 3)), columns=names)
            index = pd.Index(
                [f"SITE_000{i}" for i in range(1, 5)], name=f"{hemisphere}h.aparc.{measure}"
            )
            table.set_axis(index).to_csv(tables / f"{hemisphere}h.{measure}.tsv", sep="\t")
    people = {"participant_id": ["0001", "0002", "0003", "0004"], "age": [1, 2, 3, 4]}
    pd.DataFrame(people).to_csv(folder / "people.csv", index=False)


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """Return a folder of small data sets in every layout that a page names."""
    folder = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(0)
    scans = folder / "derivatives" / "fmriprep"
    simulate_fmriprep(scans, n_subjects=5, n_regions=8, n_volumes=(60, 60), progress=False)
    for name in ("atlas.nii.gz", "atlas.tsv"):
        (folder / name).write_bytes((scans / name).read_bytes())
    write_xcpd(folder / "derivatives" / "xcp_d", rng)
    write_cpac(folder / "abide" / "ABIDE_pcp", rng)
    write_freesurfer(folder / "freesurfer", rng)
    cohort = simulate_cohort(50, n_regions=8, n_volumes=(30, 40), missing=0.0)
    cohort[:40].save(folder / "cohort")
    cohort[40:].save(folder / "new_cohort")
    write_tables(folder / "tables", cohort[:6], cohort.timeseries[:6], "csv")
    write_tables(folder / "matrices", cohort[:6], cohort.connectivity["fc"][:6], "csv")
    (folder / "matrices" / "participants.tsv").unlink()
    return folder


def made_by(page):
    """Return the folders that the commands of a page make, which must not be there before."""
    shell = [b for b in blocks(page) if b.runs and b.language == "bash"]
    return {
        words[3] for b in shell for words in commands(b.code) if words[1] in ("build", "export")
    }


def run(block, names, monkeypatch, capsys):
    """Run one block; what fails names the page by the test's id and the line by its code."""
    if block.language == "python":
        exec(compile(block.code, "<page>", "exec"), names)
        return
    for words in commands(block.code):
        assert words[0] == "brainograph", f"not a command of ours: {words}"
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as stop:
            cli.main()
        assert not stop.value.code, f"{words}: {capsys.readouterr().err}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_blocks_run(page, world, tmp_path, monkeypatch, capsys):
    for item in world.iterdir():
        if item.name not in made_by(page):
            (tmp_path / item.name).symlink_to(item)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRAINOGRAPH_SALT", "0123456789abcdef")
    names = {"__name__": "page"}
    for block in blocks(page):
        if block.note.startswith("file: "):
            (tmp_path / block.note.removeprefix("file: ")).write_text(block.code)
        if block.language == "yaml":
            assert yaml.safe_load(block.code)
        if block.runs:
            run(block, names, monkeypatch, capsys)
    for file in tmp_path.glob("*.yaml"):
        load_config(file)


def test_most_blocks_run_and_others_say_why():
    every = [block for page in PAGES for block in blocks(page)]
    code = [block for block in every if block.language in ("python", "bash")]
    idle = [block for block in code if not block.runs]
    assert len(code) > 40
    assert len(idle) < len(code) / 6
    assert all(len(block.note) > len("not run: ") + 8 for block in idle)


def test_no_fence_without_a_language_and_no_html_comment_elsewhere():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert text.count("\n```\n") + text.endswith("\n```") >= len(blocks(page))
        assert len(re.findall("<!--", text)) == sum(bool(block.note) for block in blocks(page))


def test_every_config_that_a_page_names_is_there():
    for page in PAGES:
        for name in re.findall(r"configs/([\w/]+\.yaml)", page.read_text(encoding="utf-8")):
            assert (ROOT / "configs" / name).is_file(), f"{page.name} names {name}"


def test_every_config_of_a_system_is_in_the_table():
    text = (DOCS / "systems.md").read_text(encoding="utf-8")
    for path in (ROOT / "configs").rglob("*.yaml"):
        name = path.relative_to(ROOT / "configs").as_posix()
        assert name == "demo.yaml" or f"configs/{name}" in text, (
            f"{name} is in no row of systems.md"
        )


def test_every_system_names_code_and_tests_that_are_there():
    text = (DOCS / "systems.md").read_text(encoding="utf-8")
    names = set(re.findall(r"`((?:nn|estimators|graphs|connectivity|io|datasets|preprocessing|"
                           r"model_selection|metrics|inspection)(?:\.\w+)+)`", text))  # fmt: skip
    assert len(names) > 10
    for name in names:
        module, attribute = f"brainograph.{name}".rsplit(".", 1)
        assert hasattr(importlib.import_module(module), attribute), f"no {name}"
    paths = set(re.findall(r"`(tests/[\w/]+\.py)`", text))
    assert len(paths) > 5
    assert [path for path in paths if not (ROOT / path).is_file()] == []


def test_reference_names_every_package():
    text = (DOCS / "api" / "index.md").read_text(encoding="utf-8")
    source = Path(brainograph.__file__).parent
    for path in source.rglob("__init__.py"):
        parts = path.parent.relative_to(source).parts
        exports = "__all__" in path.read_text(encoding="utf-8")
        if exports and parts and parts[0] != "cli" and parts != ("model_selection", "checks"):
            assert f"brainograph.{'.'.join(parts)}\n" in text, (
                f"api/index.md lacks {parts}: add a line"
            )
