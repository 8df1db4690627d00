"""The tutorials run, and their notebooks are those cells, executed and with their pictures."""

import os
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted((ROOT / "tutorials").glob("plot_*.py"))
PLACES = re.compile(r"/(home|Users|root|tmp|work|var|opt|mnt)/|site-packages|[A-Z]:\\\\")


@pytest.fixture(params=SCRIPTS, ids=lambda path: path.stem)
def script(request):
    return request.param


@pytest.fixture
def notebook(script):
    return jupytext.read(script.with_suffix(".ipynb"))


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", ())]


def test_every_script_has_a_notebook_and_no_notebook_is_alone():
    assert len(SCRIPTS) >= 2
    notebooks = sorted((ROOT / "tutorials").glob("*.ipynb"))
    assert notebooks == [script.with_suffix(".ipynb") for script in SCRIPTS]


def test_notebook_has_the_cells_of_its_script(script, notebook):
    expected = [(cell.cell_type, cell.source) for cell in jupytext.read(script).cells]
    assert [(cell.cell_type, cell.source) for cell in notebook.cells] == expected


def test_notebook_was_executed_from_top_to_bottom(notebook):
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))


def test_notebook_has_pictures_and_neither_errors_nor_warnings(script, notebook):
    found = outputs(notebook)
    assert sum("image/png" in output.get("data", {}) for output in found) >= 5
    assert [output for output in found if output.output_type == "error"] == []
    assert [output.text for output in found if output.get("name") == "stderr"] == []
    assert script.with_suffix(".ipynb").stat().st_size < 1.5e6


def test_notebook_names_no_place_on_the_machine_that_made_it(notebook):
    for output in outputs(notebook):
        data = output.get("data", {})
        said = [output.get("text", ""), data.get("text/plain", ""), data.get("text/html", "")]
        assert not PLACES.search("".join(said))
    assert not PLACES.search(str(notebook.metadata))


def test_script_runs_and_leaves_nothing_behind(script, tmp_path):
    here, temporary = tmp_path / "here", tmp_path / "temporary"
    here.mkdir()
    temporary.mkdir()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {
        "MPLBACKEND": "agg",
        "OMP_NUM_THREADS": "1",
        "PATH": path,
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(temporary),
    }
    done = subprocess.run(
        [sys.executable, script], cwd=here, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert list(here.iterdir()) == []
    assert list(temporary.rglob("*.npy")) == []
