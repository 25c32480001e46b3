"""The runner: notebooks in, a static site out.

One way, and no step reaches back: :mod:`plan` says which notebooks are stale and why, :mod:`execute` runs those with
papermill, on this machine or by :mod:`dask` on others, :mod:`site` stages and renders the pages, :mod:`pages` writes
the generated ones, :mod:`check` looks for what is wrong.

Everywhere `project` is the checkout, a :class:`project.Project`; `profile` is ``"quick"`` or ``"full"``; `job` is what
:mod:`plan` lists; `record` is what a run leaves behind, see ``record.schema.json``, and `reference` that of the full
run.
"""
