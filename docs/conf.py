"""Sphinx configuration: `python -m sphinx -W -b html docs docs/_build` builds the site.

The pages are MyST Markdown, the API reference comes from docstrings, and the notebooks are run
anew at each build, so that what they show is what the code does.
"""

from importlib.metadata import version as version_of

project = "tfhash"
author = "The tfhash authors"
project_copyright = f"2026, {author}"
version = release = version_of("tfhash")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]

html_theme = "furo"
html_title = f"tfhash {release}"
html_theme_options = {"sidebar_hide_name": False}

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_output_stderr = "remove"  # what frameworks log about the machine

default_role = "code"  # `single backticks` in docstrings are code
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # docstrings state shapes and dtypes, which say more
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
# Words in the types of parameters, such as `[n, n_bits]`, are no references.
suppress_warnings = ["ref.python"]
