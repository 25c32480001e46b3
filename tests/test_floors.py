"""The rules of the house that can be read off the source: floors, addresses, documentation. No module is exempt."""

import ast
import graphlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# As design and CONTRIBUTING.md draw them: a module imports from the floors below, and from its left on its own.
FLOORS = {
    "course_utils": [
        "errors",
        "images datasets convolution augment",
        "training models weights metric_learning evaluation retrieval",
        "results plots projector interactive",
        "exercises",
    ],
    "book_runner": [
        "",
        "project pictures answers plan",
        "kernel worker execute sweep dask",
        "widgets reference pages site check student pdf",
        "cli",
    ],
}
# What is left at addresses that have moved, for one release: it names the new ones in strings.
STUBS = {"course_utils": {"architecture", "reranking", "retrieval_dask"}, "book_runner": set()}
PACKAGES = {name: {} for name in FLOORS}
for _name, _modules in PACKAGES.items():
    for _path in sorted((ROOT / _name).rglob("*.py")):
        _parts = _path.relative_to(ROOT).with_suffix("").parts
        _modules[".".join(_parts[:-1] if _parts[-1] == "__init__" else _parts)] = ast.parse(_path.read_text())
MODULES = {name: tree for modules in PACKAGES.values() for name, tree in modules.items()}


def imports(module):
    """Modules of the two packages that a module imports, within its functions too."""
    for node in ast.walk(MODULES[module]):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: imports are absolute"
            # A name is a module of that package, or belongs to the package itself.
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found = [name if name in MODULES else node.module for name in names]
        else:
            continue
        yield from (name for name in found if name.partition(".")[0] in PACKAGES)


def may_import(package, own):
    """What a module or sub-package may import of its own package; None if it stands on no floor."""
    if own in STUBS[package]:
        return {"errors"}
    below = []
    for floor in map(str.split, FLOORS[package]):
        if own in floor:
            return {*below, *floor[: floor.index(own) + 1]}
        below += floor
    return None


def place(module):
    """The package and the module or sub-package within it that a dotted name belongs to."""
    package, _, rest = module.partition(".")
    return package, rest.partition(".")[0]


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_import_only_from_below_and_from_their_left(package):
    faults = []
    for module in PACKAGES[package]:
        own = place(module)[1]
        allowed = may_import(package, own) if own else set()
        if allowed is None:
            faults.append(f"{module} stands on no floor")
            continue
        # What may be imported from the other package is tested below.
        for imported in {*imports(module)} & {*PACKAGES[package]}:
            if place(imported)[1] not in allowed:
                faults.append(f"{module} imports {imported}")
    assert not faults, "\n".join(faults)


def test_course_utils_knows_nothing_of_the_runner():
    found = [(module, name) for module in PACKAGES["course_utils"] for name in imports(module)]
    assert len(found) > 50
    assert [pair for pair in found if place(pair[1])[0] == "book_runner"] == []


def test_no_module_imports_itself_by_a_round_about_way():
    graph = {module: {*imports(module)} - {module} for module in MODULES}
    # Raises an error that names the modules of a circle.
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(MODULES)


def test_the_floors_would_notice(monkeypatch):
    def faults(module, source):
        monkeypatch.setitem(MODULES, module, ast.parse(source))
        own = place(module)
        return [place(name)[1] for name in imports(module) if place(name)[1] not in may_import(*own)]

    lazily = "def draw():\n    from course_utils.results import record"
    assert faults("course_utils.models", lazily) == ["results"]
    assert faults("course_utils.models", "from course_utils import evaluation, training") == ["evaluation"]
    assert faults("course_utils.models", "import course_utils.exercises as e") == ["exercises"]
    assert faults("course_utils.models", "import course_utils") == [""]
    assert faults("course_utils.architecture", "from course_utils import models") == ["models"]
    assert faults("book_runner.site", "from book_runner.pdf import make_pdfs") == ["pdf"]
    assert may_import("course_utils", "misc") is None


@pytest.mark.parametrize(("module", "text"), [("tensorflow", r"tensorflow\b"), ("keras.src", r"keras\.src\b")])
def test_only_one_file_names_what_lies_beneath_keras(module, text):
    naming = [
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if re.search(rf"^\s*(import|from) {text}", path.read_text(), re.MULTILINE)
    ]
    # The deterministic switch of TensorFlow, and what a kernel is started with.
    assert naming == {"tensorflow": ["course_utils/training.py"], "keras.src": ["book_runner/kernel.py"]}[module]


# -- public names ----------------------------------------------------------------------------------------------


def assigned(module):
    """Top-level assignments: each name, with the documentation that stands below it, if any."""
    body = MODULES[module].body
    for node, following in zip(body, [*body[1:], None], strict=True):
        text = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant) and following.value.value
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            for name in getattr(target, "elts", [target]):
                if isinstance(name, ast.Name):
                    yield name.id, node.value, text or ""


def public(module):
    """The names in a module's ``__all__``; none if it has none."""
    return next((ast.literal_eval(value) for name, value, _ in assigned(module) if name == "__all__"), [])


def definitions(module):
    return {node.name: node for node in MODULES[module].body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}


def borrowed(module):
    """Names that a module's top level imports from the two packages, and from where."""
    for node in MODULES[module].body:
        if isinstance(node, ast.ImportFrom) and place(node.module)[0] in PACKAGES:
            yield from ((alias.asname or alias.name, node.module) for alias in node.names)


def returned():
    """Classes of which the public functions of course_utils return instances, and those of their fields."""
    nodes = [node for tree in PACKAGES["course_utils"].values() for node in ast.walk(tree)]
    classes = {node.name: node for node in nodes if isinstance(node, ast.ClassDef)}
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    types = [line for node in functions for line in section(node, "Returns|Yields") if not line.startswith(" ")]
    found, new = set(), words(types) & set(classes)
    while new:
        found |= new
        fields = [ast.unparse(node) for name in new for node in classes[name].body if isinstance(node, ast.AnnAssign)]
        fields += [line for name in new for line in section(classes[name], "Attributes") if not line.startswith(" ")]
        new = (words(fields) & set(classes)) - found
    return found


def section(node, titles):
    """The lines of a docstring's section."""
    pattern = rf"^(?:{titles})\n-+\n((?:(?!.*\n---).*\n?)*)"
    found = re.search(pattern, ast.get_docstring(node) or "", re.MULTILINE)
    return found[1].splitlines() if found else []


def words(lines):
    return {word for line in lines for word in re.findall(r"\w+", line)}


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_sorted_and_listed(package):
    for module in PACKAGES[package]:
        names = public(module)
        # Constants, classes, functions, as ruff sorts them.
        assert names == sorted(set(names), key=lambda name: (not name.isupper(), name[0].islower(), name)), module
        assert names or all(name.startswith("_") for name in definitions(module)), f"{module} has no __all__"


@pytest.mark.parametrize("package", PACKAGES)
def test_each_public_name_has_one_address(package):
    faults, homes = [], {}
    for module in PACKAGES[package]:
        is_package = any(name.startswith(f"{module}.") for name in MODULES)
        if module.count(".") == 1 and place(module)[1].startswith("_"):
            faults.append(f"{module}: no underscore modules at the top")
        for name, home in borrowed(module):
            if name in public(module) and not (is_package and home.startswith(f"{module}.")):
                faults.append(f"{module} offers {name} of {home}")
        if module.count(".") == 1:
            for name in public(module):
                homes.setdefault(name, []).append(module)
    assert not faults, "\n".join(faults)
    assert {name: found for name, found in homes.items() if len(found) > 1 and package == "course_utils"} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_documented(package):
    bare, checked = [], 0
    for module in PACKAGES[package]:
        assert ast.get_docstring(MODULES[module]), module
        own, constants = definitions(module), {name: text for name, _, text in assigned(module)}
        elsewhere = {name: home for name, home in borrowed(module) if name in public(home)}
        for name in public(module):
            checked += 1
            if name in own:
                documented = ast.get_docstring(own[name])
            else:
                documented = constants.get(name) or name in elsewhere or f"{module}.{name}" in MODULES
            if not documented:
                bare.append(f"{module}.{name}")
    assert not bare, "\n".join(bare)
    assert checked > 50


def test_public_names_of_course_utils_have_examples_that_run():
    """A function has an example, and so has a class, unless it is an error or what functions return: theirs show it."""
    results, without = returned(), []
    assert {"ClassifierReport", "RetrievalResult", "ReIDSplit"} <= results
    for module in PACKAGES["course_utils"]:
        for name, node in definitions(module).items():
            if name not in public(module) or name in results or name.endswith(("Error", "Warning")):
                continue
            lines = [line for line in section(node, "Examples") if line.startswith(">>> ")]
            if not any("+SKIP" not in line for line in lines):
                without.append(f"{module}.{name}")
    assert not without, "\n".join(without)
