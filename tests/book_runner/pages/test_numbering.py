"""Figures and exercises are numbered within their chapter."""

import re

import yaml

from book_runner import site

EXERCISES = """
```{{exercise-start}} First
:label: ex-{n}-first
```
★ Do this.
```{{exercise-end}}
```

```{{exercise-start}} Second
:label: ex-{n}-second
```
★★ Do that.
```{{exercise-end}}
```

**Figure {n}.1.** A picture. *See this.*

**Figure of speech.** No caption.
"""


def test_exercises_and_captions(make_project, add_prose):
    project = make_project({"01_one": ["n = 1"], "02_two": ["n = 2"]})
    path = project.root / "_config.yml"
    config = yaml.safe_load(path.read_text())
    config["sphinx"]["extra_extensions"] += ["book_runner.pages.numbering", "sphinx_exercise"]
    path.write_text(yaml.safe_dump(config))
    for n, name in ((1, "01_one"), (2, "02_two")):
        add_prose(project, EXERCISES.format(n=n), name)
    site.build_site(project)
    for n, name in ((1, "01_one"), (2, "02_two")):
        page = (project.html / "notebooks" / f"{name}.html").read_text()
        assert re.findall(r"Exercise (\d+\.\d+)", page)[:2] == [f"{n}.1", f"{n}.2"]
        assert re.findall(r'<p class="caption-below"><strong>(.*?)</strong>', page) == [f"Figure {n}.1."]
