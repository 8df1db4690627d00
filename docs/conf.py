"""The documentation's settings: ``sphinx-build -W docs docs/_build/html``."""

import re
import shutil
from pathlib import Path

from typer.cli import get_docs_for_click
from typer.main import get_command

import brainograph
from brainograph.cli import app

HERE = Path(__file__).resolve().parent
project = "brainograph"
copyright = "The brainograph developers"
author = "The brainograph developers"
release = version = brainograph.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
]
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]
templates_path = ["_templates"]
nitpicky = False
suppress_warnings = ["mystnb.unknown_mime_type"]

# Tutorials are shown as they were executed; tests/test_tutorials.py runs them.
nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
autosummary_ignore_module_all = False
autosummary_imported_members = True
autodoc_typehints = "none"
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = "brainograph"
html_theme_options = {
    "navigation_with_keys": False,
    "header_links_before_dropdown": 7,
    "secondary_sidebar_items": {"**": ["page-toc"], "systems": [], "results": []},
    "show_prev_next": False,
}
html_show_sourcelink = False
html_sidebars = {page: [] for page in ("index", "installing", "results", "systems")}
html_static_path = ["_static"]
html_css_files = ["wide.css"]


def _copy_tutorials() -> None:
    """Put the executed notebooks where Sphinx looks."""
    for notebook in sorted((HERE.parent / "tutorials").glob("*.ipynb")):
        shutil.copy2(notebook, HERE / "tutorials" / notebook.name)


def _write_commands() -> None:
    """Write the page of the command line from its own help."""
    command = get_command(app)
    context = command.make_context("brainograph", [], resilient_parsing=True)
    text = get_docs_for_click(obj=command, ctx=context, name="brainograph", title="Command line")
    text = re.sub(r"\[/?bold\]", "**", text)
    path = HERE / "api" / "commands.md"
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _skip_foreign(app, what, name, obj, skip, options):
    """Leave out what classes inherit from PyTorch, PyG and scikit-learn."""
    function = getattr(obj, "__func__", getattr(obj, "fget", obj))
    module = getattr(function, "__module__", None)
    foreign = isinstance(module, str) and not module.startswith("brainograph")
    return True if foreign else None


def setup(app):
    """Make the pages that are made, and connect what is asked of every member."""
    _copy_tutorials()
    _write_commands()
    app.connect("autodoc-skip-member", _skip_foreign)
