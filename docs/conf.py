"""How the pages are built, from the top of a checkout: `sphinx-build -W -c docs . build/docs`.

The top is the source folder, since pages there and in `docs` link to each other.
"""

from sphinx.application import Sphinx

project = "Marconi queue server"
extensions = ["myst_parser"]
include_patterns = ["*.md", "bench/**.md", "docs/**.md"]
root_doc = "docs/index"
html_theme = "furo"
myst_heading_anchors = 4
nitpicky = True

CONTENTS = """
```{toctree}
:hidden:
:glob:

/README
/docs/*
/docs/operations/*
/docs/reference/*
/bench/README
/bench/results/*
/CONTRIBUTING
/CHANGELOG
```
"""


def add_contents(_app: Sphinx, docname: str, source: list[str]) -> None:
    """Give the first page the contents, which readers of the plain file do not need."""
    if docname == root_doc:
        source[0] += CONTENTS


def setup(app: Sphinx) -> None:
    """Take part in the build."""
    app.connect("source-read", add_contents)
