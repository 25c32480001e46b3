import numpy as np
import pytest

from course_utils.errors import ArgumentError
from course_utils.evaluation import evaluate_predictions, softmax
from course_utils.interactive import confusion_explorer
from course_utils.interactive.confusion import _chosen

NAMES = ["cat", "dog", "emu"]
RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, 300)
LOGITS = RNG.normal(size=(4, 300, 3)) + 1.5 * np.eye(3)[LABELS]
IMAGES = RNG.integers(0, 256, (300, 8, 8), "uint8")


def report(k, labels=LABELS, names=NAMES):
    return evaluate_predictions(LOGITS[k], labels, class_names=names)


@pytest.fixture(scope="module")
def reports():
    answers = evaluate_predictions(LOGITS[3].argmax(axis=1), LABELS, class_names=NAMES)
    return {"small": [report(0), report(1)], "large": report(2), "answers only": answers}


@pytest.mark.parametrize(
    ("wrong", "images", "options", "told"),
    [
        ({}, IMAGES, {}, "each needs a report"),
        ({"a": []}, IMAGES, {}, "each needs a report"),
        ({"a": report(0), "b": report(1, np.roll(LABELS, 1))}, IMAGES, {}, "different pictures"),
        ({"a": report(0), "b": report(1, names=["a", "b", "c"])}, IMAGES, {}, "different pictures or classes"),
        ({"a": report(0)}, IMAGES[1:], {}, "299 pictures for 300 labels"),
        ({"a": report(0)}, IMAGES, {"limit": 501}, "limit is 501; it may be 500"),
        ({"a": report(0)}, IMAGES, {"limit": 0}, "limit is 0"),
    ],
)
def test_bad_arguments_are_named(wrong, images, options, told):
    with pytest.raises(ArgumentError, match=told):
        confusion_explorer(wrong, images, **options)


def test_probabilities_and_logits_are_told_apart(reports):
    shares = evaluate_predictions(softmax(LOGITS[2]), LABELS, class_names=NAMES)
    made = confusion_explorer({"logits": reports["large"], "shares": shares}, IMAGES).data["models"]
    assert made[0]["runs"] == made[1]["runs"]


def test_matrices_count_all_pictures_and_thumbnails_are_few(reports):
    data = confusion_explorer(reports, IMAGES, limit=20).data
    assert data["pictures"]["count"] == 20
    for model in data["models"]:
        for run in model["runs"]:
            assert np.sum(run["matrix"]) == 300
    assert data["models"][1]["runs"][0]["matrix"] == reports["large"].confusion.tolist()


def test_the_most_confident_mistake_of_every_cell_is_kept(reports):
    chosen = _chosen_of(reports, 40)
    for each in (*reports["small"], reports["large"]):
        sure = softmax(each.scores).max(axis=1)
        for true in range(3):
            for said in set(range(3)) - {true}:
                inside = np.flatnonzero((each.labels == true) & (each.predictions == said))
                assert inside[sure[inside].argmax()] in chosen


def _chosen_of(reports, limit):
    runs = [each for model in reports.values() for each in (model if isinstance(model, list) else [model])]
    chosen = _chosen(runs, limit)
    assert len(set(chosen)) == limit
    return set(chosen)


# -- in a browser ----------------------------------------------------------------------------------------------


def cell(page, true, said):
    start = f"{true} rightly named" if true == said else f"{true} taken for {said}"
    return page.locator(f'.confusion-matrix button[aria-label^="{start}:"]')


@pytest.mark.browser
def test_cells_hold_counts_and_open_their_pictures_in_order(show, reports):
    page = show(confusion_explorer(reports, IMAGES)).page
    for model, run, each in [("small", 1, reports["small"][1]), ("large", None, reports["large"])]:
        page.get_by_label("Model", exact=True).select_option(model)
        if run is not None:
            page.get_by_label("Run", exact=True).select_option(index=run)
        for true in range(3):
            for said in range(3):
                button = cell(page, NAMES[true], NAMES[said])
                assert button.inner_text() == str(each.confusion[true, said])
                button.click()
                inside = (each.labels == true) & (each.predictions == said)
                sure = np.sort(softmax(each.scores).max(axis=1)[inside])[::-1]
                found = page.locator(".course-picture small").all_inner_texts()
                assert found == [f"{100 * share:.0f}%" for share in sure]
    assert page.get_by_label("Run", exact=True).count() == 0


@pytest.mark.browser
def test_a_model_without_probabilities_says_so(show, reports):
    page = show(confusion_explorer(reports, IMAGES, limit=30)).page
    page.get_by_label("Model", exact=True).select_option("answers only")
    cell(page, "cat", "cat").click()
    told = page.locator(".course-muted").inner_text()
    assert "gives no probabilities" in told
    count = page.locator(".course-picture").count()
    assert told.startswith(f"{count} of these {reports['answers only'].confusion[0, 0]} pictures")


@pytest.mark.browser
def test_a_picture_tells_what_every_model_says(show, reports):
    page = show(confusion_explorer(reports, IMAGES)).page
    cell(page, "cat", "dog").click()
    page.locator(".course-picture").first.click()
    first = reports["small"][0]
    inside = np.flatnonzero((first.labels == 0) & (first.predictions == 1))
    k = inside[softmax(first.scores).max(axis=1)[inside].argmax()]
    said = page.locator(".confusion-good, .confusion-bad").all_inner_texts()
    for text, name in zip(said, reports, strict=True):
        each = reports[name][0] if isinstance(reports[name], list) else reports[name]
        sure = "" if each.scores is None else f" {100 * softmax(each.scores)[k].max():.1f}%"
        answer = each.predictions[k]
        assert text == f"{'✓' if answer == 0 else '✗'} {name}: {NAMES[answer]}{sure}"


@pytest.mark.browser
def test_the_matrix_is_one_stop_of_the_tab_key_and_arrows_walk_in_it(show, reports):
    page = show(confusion_explorer(reports, IMAGES)).page
    assert page.locator('.confusion-matrix button[tabindex="0"]').count() == 1
    cell(page, "cat", "cat").focus()
    for key, (true, said) in [("ArrowRight", ("cat", "dog")), ("ArrowDown", ("dog", "dog"))]:
        page.keyboard.press(key)
        focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
        assert focused == cell(page, true, said).get_attribute("aria-label")
    page.keyboard.press("Enter")
    assert cell(page, "dog", "dog").get_attribute("aria-pressed") == "true"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "course-picture"


@pytest.mark.browser
def test_rows_in_per_cent(show, reports):
    page = show(confusion_explorer({"small": reports["small"]}, IMAGES)).page
    page.get_by_label("Numbers").select_option(index=1)
    expected = np.round(100 * reports["small"][0].confusion_normalised).astype(int)
    assert page.locator(".confusion-matrix button").all_inner_texts() == [str(each) for each in expected.ravel()]


@pytest.mark.browser
@pytest.mark.parametrize("phone", [False, True])
def test_it_is_accessible_in_both_themes_and_fits(show, violations, reports, phone):
    names = ["a rather long name", "dog", "emu"]
    longer = {"only": report(2, names=names)}
    for shown in (reports, longer):
        watched = show(confusion_explorer(shown, np.stack([IMAGES] * 3, axis=-1)), phone=phone)
        watched.page.locator(".course-picture").first.click()
        assert violations(watched.page) == {"light": [], "dark": []}
        assert not phone or watched.page.evaluate("document.documentElement.scrollWidth") <= 390
        assert watched.problems == []
