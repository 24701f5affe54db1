"""The page on which a person judges whether a recipe's variations could come from a clinic: before, after, and what was drawn."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from preceptor.core.cohort import Cohort, Sample
from preceptor.core.errors import CohortError, RecipeError
from preceptor.core.image import Image
from preceptor.core.slots import build, plugin, spec, summary
from preceptor.intake.cohort import build_cohort
from preceptor.intake.split import split
from preceptor.prepare.decided import generator, number_of
from preceptor.prepare.store import prepare
from preceptor.prepare.vary import Varied, vary
from preceptor.prove.report.page import write_page
from preceptor.prove.report.pictures import Layer, Stack, View, label_layer, most_shown, view_of
from preceptor.prove.report.sprites import figure, legend
from preceptor.recipe.resolve import Recipe

from .augmenting import transforms

#: Draws of one transform among which the weakest and the strongest are shown.
_TRIED = 12
_STYLE = Markup("""<style>
.varied { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(165px, 100%), 1fr)); gap: 16px 14px; }
.varied { align-items: start; margin-bottom: 14px; }
.varied figure { margin: 0; break-inside: avoid; }
.varied figcaption { margin-top: 5px; line-height: 1.35; }
.varied figcaption strong { display: block; color: var(--ink); }
.varied .first .screen { outline: 3px solid var(--accent); }
.sign td { height: 2.6em; }
.line { display: flex; flex-wrap: wrap; gap: 10px 28px; }
.line span { flex: 1 1 220px; margin-top: 52px; padding-top: 4px; border-top: 1px solid var(--ink); color: var(--soft); }
</style>""")


def write_augment_page(
    recipe: Recipe,
    path: Path,
    *,
    cases: int = 3,
    variations: int = 5,
    tell: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Draw what a recipe's augmentation makes of a few of its training cases.

    Args:
        recipe: Its cohort is split and a few training cases prepared.
        path: Of the page.
        cases: How many cases, spread over the training cases.
        variations: Of each.
        tell: Told ``(what, done, total)``.

    Returns:
        ``{page, cases, drawn}``: the path, the keys, and what was drawn for each variation.

    Raises:
        RecipeError: The recipe augments nothing.
        CohortError: No case has the role train.
        PrepareError: A case can't be prepared or varied.
    """
    augment = transforms(recipe, "augment")
    if not augment:
        raise RecipeError(
            "the recipe augments nothing", where="augment", expected="transforms", code="nothing_to_augment"
        )
    with tempfile.TemporaryDirectory() as folder:
        task, samples = _prepared(recipe, Path(folder), cases, tell)
        drawn = {
            sample.key: [
                vary(sample, augment, generator(recipe.seed, epoch, number_of(sample.key), 0), task.mask)
                for epoch in range(variations)
            ]
            for sample in samples
        }
        body = Markup("\n").join(
            [
                _STYLE,
                _opening(recipe, task),
                *(_case_section(sample, drawn[sample.key], task) for sample in samples),
                _alone_section(recipe, augment, samples[0], task),
                _sign_section(recipe),
            ]
        )
    write_page(path, f"Variations of {recipe.name or recipe.study}", "preceptor check of augmentation", body)
    told = {key: [[asdict(part) for part in each.drawn] for each in many] for key, many in drawn.items()}
    return {"page": str(path), "cases": [sample.key for sample in samples], "drawn": told}


def _prepared(
    recipe: Recipe, folder: Path, most: int, tell: Callable[[str, int, int], None] | None
) -> tuple[Any, list[Sample]]:
    """A few training cases, prepared with what is fitted on all of them."""
    task = build("tasks", recipe.task)
    cohort: Cohort = build_cohort(build("datasets", recipe.cohort, root=recipe.folder), recipe.study)
    if recipe.split is not None:
        cohort = split(cohort, recipe.split, recipe.seed)
    train = cohort.with_role("train")
    if not train:
        raise CohortError("no case has the role 'train'", remedy="give `split` a train share", code="no_train_cases")
    places = np.unique(np.linspace(0, len(train) - 1, min(most, len(train))).round().astype(int))
    store = prepare(
        cohort.with_cases(train[place] for place in places),
        transforms(recipe, "prepare"),
        task,
        folder,
        fit_on=train,
        progress=None if tell is None else lambda done, total: tell("preparing", done, total),
    )
    return task, [store.sample(train[place].key) for place in places]


# -------------------------------------------------------------------- sections


def _opening(recipe: Recipe, task: Any) -> Markup:
    swatches = Markup("").join(
        Markup('<span class="swatch" style="--colour:{colour}"></span>{name} ').format(**each)
        for each in (legend(list(task.question.classes)) if task.mask else [])
    )
    outlines = Markup("<p>Outlines: {}</p>").format(swatches) if swatches else Markup("")
    return Markup(
        "<section><h2>What to look for</h2><p>In each row the first picture is a training case as it is prepared; the others are "
        "what training may show in its place. All share one grey scale and one slice. Could each of them have come from a "
        "scanner or a clinic? Is the finding still to be seen, and do outlines lie where they should? At the borders, an even "
        "grey is what lay outside the image; nothing is learnt from it where an outline is asked for.</p>"
        "<p>A variation that you would send back, or that changes the answer, makes the model worse: weaken or drop its "
        "transform in the recipe.</p>{}<p class='small'>Seed {}. The same recipe draws the same page.</p></section>"
    ).format(outlines, recipe.seed)


def _case_section(sample: Sample, many: Sequence[Varied], task: Any) -> Markup:
    rows = [
        Markup('<h3>{}</h3><div class="varied">{}</div>').format(_about(view, image), _row(sample, view, many, task))
        for view, image in sample.images.items()
    ]
    return Markup("<section><h2>Case {}</h2>{}</section>").format(sample.key, Markup("").join(rows))


def _row(sample: Sample, view: str, many: Sequence[Varied], task: Any) -> Markup:
    look = _Look(sample, view, task)
    first = _picture(look.still(sample), "As prepared", [], "first")
    after = [
        _picture(look.still(each.sample), f"Variation {number}", _said(each, view))
        for number, each in enumerate(many, 1)
    ]
    return Markup("").join([first, *after])


def _alone_section(recipe: Recipe, augment: Sequence[Any], sample: Sample, task: Any) -> Markup:
    """Each transform with nothing else: the weakest and the strongest of a dozen draws."""
    view = next(iter(sample.images))
    look = _Look(sample, view, task)
    before = np.asarray(sample.images[view].array, dtype=np.float32)
    parts = []
    for given, transform in zip(recipe.augment, augment, strict=True):
        tried = [
            vary(sample, [transform], generator(recipe.seed, number, number_of(sample.key), 1), task.mask)
            for number in range(_TRIED)
        ]
        acted = sorted(
            (each for each in tried if each.drawn),
            key=lambda each: float(np.abs(each.sample.images[view].array - before).mean()),
        )
        name, _ = spec(given)
        shown = [("weakest", acted[0]), ("strongest", acted[-1])] if acted else []
        if acted and acted[0].drawn == acted[-1].drawn:  # all draws are alike: a mirror
            shown = [("one draw", acted[0])]
        pictures = [_picture(look.still(each.sample), f"{name}: {title}", _said(each, view)) for title, each in shown]
        parts += pictures or [_picture(Markup(""), f"{name}: did nothing in {_TRIED} draws", [])]
    first = _picture(look.still(sample), "As prepared", [], "first")
    return Markup(
        "<section><h2>Each transform by itself</h2><p>Case {}. Of {} draws those that change the pixels least and most.</p>"
        '<div class="varied">{}</div></section>'
    ).format(sample.key, _TRIED, Markup("").join([first, *parts]))


def _sign_section(recipe: Recipe) -> Markup:
    rows = Markup("")
    for each in recipe.augment:
        name, given = spec(each)
        told = Markup("<br>").join(_setting(key, value) for key, value in given.items())
        boxes = Markup('<td class="n">☐ plausible &nbsp; ☐ too strong &nbsp; ☐ leave out</td>')
        rows += Markup(
            '<tr><th scope="row">{}<br><span class="small">{}</span></th><td class="what">{}</td>{}</tr>'
        ).format(name, summary(plugin("transforms", name)), told, boxes)
    return Markup(
        '<section><h2>Signed off</h2><div class="scroll"><table class="sign"><thead><tr><th scope="col">Transform</th>'
        '<th scope="col">As the recipe has it</th><th scope="col">Judged</th></tr></thead><tbody>{}</tbody></table></div>'
        '<div class="line"><span>Name and role</span><span>Date</span><span>Signature</span></div>'
        "<p class='small'>Recipe {}, digest {}.</p></section>"
    ).format(rows, recipe.study, recipe.digest())


def _setting(key: str, value: Any) -> Markup:
    return Markup("{}: {}").format(key.replace("_", " "), _value(value))


def _picture(drawn: Markup, title: str, lines: Sequence[str], kind: str = "") -> Markup:
    said = Markup("").join(Markup("<span>{}</span><br>").format(line) for line in lines)
    untouched = Markup("<span>nothing was drawn</span>") if not lines and title.startswith("Variation") else Markup("")
    return Markup('<figure class="{}">{}<figcaption><strong>{}</strong>{}{}</figcaption></figure>').format(
        kind, drawn, title, said, untouched
    )


def _about(view: str, image: Image) -> str:
    voxels = f"{view}, " * (view != "image") + " × ".join(map(str, image.shape))
    if not image.has_known_geometry:
        return f"{voxels} pixels"
    return f"{voxels} voxels of {' × '.join(f'{each:.3g}' for each in image.spacing_mm)} mm"


# -------------------------------------------------------------------- words


def _said(varied: Varied, view: str) -> list[str]:
    known = varied.sample.images[view].has_known_geometry
    return [words(each.name, each.parameters, known) for each in varied.drawn if view in each.views]


def words(name: str, drawn: Mapping[str, Any], known_geometry: bool = True) -> str:
    """What a transform drew, in words: ``rotate: 3.1°, −8°``, ``shift: 4 mm, 0 mm``.

    Args:
        name: Of the transform.
        drawn: Its parameters; what is nothing but zeros goes unsaid.
        known_geometry: Otherwise a millimetre is a pixel, and is called so.
    """
    told = [
        _quantity(name, key, value) for key, value in drawn.items() if key not in _UNSAID and not _is_nothing(value)
    ]
    said = f"{name}: {', '.join(told)}" if told else name
    return said if known_geometry else said.replace(" mm", " pixels")


def _quantity(name: str, key: str, value: Any) -> str:
    """A parameter with its unit, without repeating the transform's own name."""
    bare = key.removesuffix("_mm").removesuffix("degrees").removesuffix("_pixels").rstrip("_")
    unit = next((unit for ending, unit in _UNITS.items() if key.endswith(ending)), "")
    shown = _value(value, unit)
    return shown if bare in ("", "drawn", name) else f"{bare.replace('_', ' ')} {shown}"


#: What says nothing to who looks at a picture.
_UNSAID = ("control_points", "first_voxel")
#: How a parameter's name ends, and what is written after its value.
_UNITS = {"_mm": " mm", "degrees": "°", "_pixels": " pixels"}


def _is_nothing(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_nothing(each) for each in value)
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e-9


def _value(value: Any, unit: str = "") -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, (int, float)):
        return f"{0.0 if abs(value) < 1e-9 else value:.3g}{unit}".replace("-", "−")
    if isinstance(value, Mapping):
        return "; ".join(
            words(key, each) if isinstance(each, Mapping) else f"{key} {_value(each, unit)}"
            for key, each in value.items()
        )
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], (list, tuple)):
        largest = max((abs(each) for row in value for each in row if isinstance(each, (int, float))), default=0.0)
        return f"up to {_value(largest, unit)}"
    if isinstance(value, (list, tuple)) and value:
        shown = (" + " if isinstance(value[0], Mapping) else ", ").join(_value(each, unit) for each in value[:6])
        return shown + (" …" if len(value) > 6 else "")
    return str(value) if value else "–"


class _Look:
    """One slice of one view, in one window, with the truth's outline: the same for the case and its variations."""

    def __init__(self, sample: Sample, view: str, task: Any) -> None:
        self._view, self._task = view, task
        self._names = tuple(task.question.classes) if task.mask else ()
        self._how, stack = view_of(sample.images[view])
        truth = self._truth(sample)
        most = None if truth is None else most_shown(truth.array)
        middle = len(stack.grey) // 2
        self._slice = middle if most is None else most
        self._stack = stack

    def still(self, sample: Sample) -> Markup:
        """The picture, with what lies at its sides."""
        low, high = self._stack.low, self._stack.high
        values = np.nan_to_num(_sliced(sample.images[self._view], self._how)[self._slice][None])
        grey = np.clip((values - low) / ((high - low) or 1.0) * 255, 0, 255).round().astype(np.uint8)
        truth = self._truth(sample)
        layers = []
        if truth is not None:
            layers = [Layer(truth.name, truth.kind, truth.array[self._slice][None], truth.names)]
        stack = Stack(grey, low, high, self._stack.pixel, self._stack.sides)
        made = figure(stack, layers, 0, "")
        sides = Markup("").join(
            Markup('<span class="side {}">{}</span>').format(place, letter)
            for place, letter in zip(("left", "right", "top", "bottom"), made["sides"], strict=True)
            if letter
        )
        return Markup('<div class="screen"><img alt="One slice" src="{}">{}</div>').format(Markup(made["still"]), sides)

    def _truth(self, sample: Sample) -> Layer | None:
        mask = sample.masks.get(self._task.mask) if self._task.mask else None
        if mask is None or mask.shape != sample.images[self._view].shape:
            return None
        return label_layer("truth", "outline", np.maximum(mask.array[0], 0), self._how, self._names)


def _sliced(image: Image, how: View) -> np.ndarray:
    """``(slice, row, column[, 3])`` of the first channel, or of three."""
    pixels = np.asarray(image.array[:, 0] if image.has_time else image.array, dtype=np.float32)
    return how.of(np.moveaxis(pixels, 0, -1) if len(pixels) == 3 else pixels[0])
