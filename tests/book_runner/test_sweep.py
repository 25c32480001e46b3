import json

import pandas as pd
import pytest

from book_runner import execute, plan, sweep
from course_utils.errors import RunnerError

# A notebook without the package: the metadata of an output is what `results.record` leaves.
RECORDING = """
from IPython.display import display
def keep(name, value, **context):
    entry = {"name": name, "value": value, "unit": None, "context": context}
    display({"text/plain": name}, raw=True, metadata={"course": {"kind": "record", "content": entry}})
keep("product", epochs * rate + seed, low=0.0)
keep("epochs", epochs + 100)
"""
CELLS = ["epochs = 1\nrate = 0.5\nseed = 0\nsource = 'auto'", RECORDING, "1 / (epochs - 3)"]


def table_of(project, grid, seeds=None, **options):
    jobs = plan.points(project, "01", sweep.grid_points(grid, seeds))
    outcome = execute.run_jobs(project, jobs, **options)
    return sweep.gather(project, jobs, outcome), outcome


def test_a_grid_is_every_combination():
    points = sweep.grid_points(["epochs=1,2,4", "rate=1e-3,1e-2"], "0:5")
    assert len(points) == 30
    assert points[0] == {"epochs": 1, "rate": 0.001, "seed": 0}
    assert points[-1] == {"epochs": 4, "rate": 0.01, "seed": 4}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a=1,2,1", [1, 2]),
        ("a=auto,local", ["auto", "local"]),
        ("a='x,y','z'", ["x,y", "z"]),
        ("a=[1, 2],[3]", [[1, 2], [3]]),
        ("a=True,False", [True, False]),
        ("a=1,1.0", [1, 1.0]),
        ("a=x=1", ["x=1"]),
    ],
)
def test_values_are_literals_or_plain_text(text, values):
    found = [point["a"] for point in sweep.grid_points([text])]
    assert list(map(repr, found)) == list(map(repr, values))


@pytest.mark.parametrize(
    ("grid", "seeds", "message"),
    [
        ([], None, "varies nothing"),
        (["epochs"], None, "grid is 'epochs'; it must be of the form NAME=VALUE,VALUE"),
        (["epochs="], None, "must be of the form"),
        (["1=2"], None, "must be of the form"),
        (["a=1", "a=2"], None, "gives a twice"),
        (["seed=1"], "0:2", "gives seed twice"),
        ([], "5", "seeds is '5'; it must be of the form A:B"),
        ([], "3:3", "A below B"),
    ],
)
def test_what_is_no_grid_is_refused(grid, seeds, message):
    with pytest.raises(RunnerError, match=message):
        sweep.grid_points(grid, seeds)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (["epoch=1"], "has no parameter 'epoch'; its parameters are epochs, rate, seed, source"),
        (["epochs=few"], "parameter epochs is 'few'; it must be of type int"),
    ],
)
def test_a_point_that_the_notebook_cannot_take_is_found_before_anything_runs(make_project, grid, message):
    with pytest.raises(RunnerError, match=message):
        plan.points(make_project({"01_one": CELLS}), "01", sweep.grid_points(grid))


def test_points_keep_what_the_profile_sets_and_differ_only_in_their_parameters(make_project):
    project = make_project({"01_one": CELLS}, {"01_one": {"full": {"source": "local"}}})
    one, two = plan.points(project, "01_one", [{"epochs": 1}, {"epochs": 2}], "full")
    assert two.parameters == {"epochs": 2, "rate": 0.5, "seed": 0, "source": "local"}
    assert two.injected == {"source": "local", "epochs": 2}
    assert plan.differences(one.parts, two.parts) == ["parameters changed: epochs 1 → 2"]
    assert one.place != two.place
    # The same set of parameters is the same run, in whichever sweep it stands.
    (again,) = plan.points(project, "01_one", [{"seed": 0, "epochs": 2}], "full")
    assert again.place == two.place
    assert again.key == two.key
    assert plan.points(project, "01_one", [{"epochs": 2}])[0].place != two.place


def test_the_data_of_a_point_are_looked_up_where_it_says(make_project, monkeypatch):
    asked = []

    def fingerprint(name, *, data_dir, source):
        asked.append(source)
        return f"sha256:{source}"

    monkeypatch.setattr(plan.datasets, "fingerprint", fingerprint)
    cells = ["seed = 0\ndata_source = 'auto'"]
    project = make_project({"01_one": cells}, {"01_one": {"data": ["mnist"]}})
    points = sweep.grid_points(["data_source=auto,local"], "0:50")
    jobs = plan.points(project, "01_one", points)
    assert {job.parts["data"]["mnist"] for job in jobs} == {"sha256:auto", "sha256:local"}
    assert len(asked) <= 4


def test_a_sweep_runs_each_point_once_and_gathers_a_tidy_table(make_project):
    project = make_project({"01_one": CELLS})
    table, outcome = table_of(project, ["epochs=1,2"], workers=2)
    assert list(outcome.values()) == ["done", "done"]
    assert table["product"].tolist() == [0.5, 1.0]
    assert table["product_low"].tolist() == [0.0, 0.0]
    assert table["epochs"].tolist() == [1, 2]
    assert table["epochs_recorded"].tolist() == [101, 102]
    assert (table["seconds"] > 0).all()
    assert table["version.papermill"].nunique() == 1
    assert table["key"].nunique() == 2
    # A chapter of the book is another run, in another place.
    assert plan.stale_reasons(project, plan.plan(project)[0]) == ["never run"]

    # A larger grid runs only what is new; one failed point keeps nothing from the others.
    larger, outcome = table_of(project, ["epochs=1,2,3"], workers=2)
    assert list(outcome.values()) == ["fresh", "fresh", "failed"]
    assert larger["state"].tolist() == ["done", "done", "failed"]
    assert larger["product"].isna().tolist() == [False, False, True]
    pd.testing.assert_frame_equal(larger[table.columns].iloc[:2].astype(table.dtypes), table)


def test_the_command_line_writes_a_table_and_a_picture(make_project, course):
    project = make_project({"01_one": CELLS})
    shown = course(project.root, "sweep", "01", "-g", "epochs=1,2", "--seeds", "0:1")
    assert shown.exit_code == 0, shown.output
    assert "01_one (epochs=2, seed=0) done" in shown.output
    assert "product" in shown.output
    for ending in ("parquet", "csv"):
        result = course(
            project.root, "sweep", "01", "-g", "epochs=1,2", "--seeds", "0:1", "--out", f"out/table.{ending}"
        )
        assert result.exit_code == 0, result.output
        assert "01_one (epochs=2, seed=0) fresh" in result.output
        table = sweep.read_table(project.root / "out" / f"table.{ending}")
        assert table["product"].tolist() == [0.5, 1.0]
        assert table["source"].tolist() == ["auto", "auto"]
        drawn = course(
            project.root, "plot", f"out/table.{ending}", "--x", "epochs", "--y", "product", "--out", "out/a.svg"
        )
        assert drawn.exit_code == 0, drawn.output
    assert "<svg" in (project.root / "out" / "a.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep", "01"], "varies nothing"),
        (["sweep", "07", "-g", "epochs=1"], "no single notebook is meant by '07'"),
        (["sweep", "01", "-g", "epochs=1", "--out", "table.xls"], "table.xls ends in '.xls'; it must end in .csv or"),
        (["plot", "gone.parquet", "--x", "a", "--y", "b", "--out", "a.png"], "gone.parquet does not exist"),
        (["plot", "bad.parquet", "--x", "a", "--y", "b", "--out", "a.png"], "bad.parquet is not a table of a sweep"),
        (["plot", "t.csv", "--x", "a", "--y", "b", "--out", "a.doc"], "a.doc must end in .png, .svg or .pdf"),
        (["plot", "t.csv", "--x", "a", "--y", "c", "--out", "a.png"], "no column 'c'; its columns are a, b, name"),
        (["plot", "t.csv", "--x", "a", "--y", "name", "--out", "a.png"], "column 'name' is not numeric"),
    ],
)
def test_wrong_calls_say_what_is_legal(make_project, course, arguments, message):
    project = make_project({"01_one": CELLS})
    (project.root / "bad.parquet").write_text("no parquet")
    (project.root / "t.csv").write_text("a,b,name\n1,2,x\n")
    result = course(project.root, *arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert not project.build.exists()


def test_columns_of_more_than_one_type_survive_parquet(tmp_path):
    table = pd.DataFrame({"a": [1, 2], "b": ["x", [1.5]], "c": [[1.0], [2.0]], "d": [None, {"k": 1}]})
    sweep.write_table(table, tmp_path / "t.parquet")
    found = sweep.read_table(tmp_path / "t.parquet")
    assert found["a"].tolist() == [1, 2]
    assert [json.loads(text) for text in found["b"]] == ["x", [1.5]]
    assert [list(values) for values in found["c"]] == [[1.0], [2.0]]
    assert json.loads(found["d"][1]) == {"k": 1}


def test_a_picture_shows_the_mean_and_a_line_for_each_value():
    table = pd.DataFrame(
        {"rate": [0.001, 0.001, 0.1, 0.1] * 2, "model": ["a"] * 4 + ["b"] * 4, "score": [1, 3, 2, 4, 5, 5, 6, 6]}
    )
    (axes,) = sweep.draw(table, "rate", "score", by="model").axes
    drawn = [line.get_ydata().tolist() for line in axes.lines if len(line.get_ydata())]
    assert drawn == [[2.0, 3.0], [5.0, 6.0]]
    assert axes.get_xscale() == "log"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]
    (axes,) = sweep.draw(table, "model", "score").axes
    assert axes.lines[0].get_ydata().tolist() == [2.5, 5.5]
    with pytest.raises(RunnerError, match="no run has both 'rate' and 'score'"):
        sweep.draw(table.iloc[:0], "rate", "score")
