"""The runner: notebooks in, a static site out.

One way, and no step reaches back: :mod:`plan` says which notebooks are stale and why, :mod:`execute` runs those with
papermill, :mod:`site` stages and renders the pages, :mod:`ledger` writes the generated ones.
"""
