"""The verbs: what the command line calls, and what `preceptor.<name>` offers from Python."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from .core.cohort import Cohort
from .core.errors import CohortError, Problem, RecipeError
from .core.evidence import Evidence, Finding
from .recipe.load import load_recipe
from .recipe.resolve import Recipe
from .runs import Run

if TYPE_CHECKING:
    import pandas

    from preceptor.prove.report.record import Record

    from .deliver.slides import SlideAnswer
    from .intake.annotations.record import Annotations
    from .intake.burned_in.picture_cleaning import CleanedFile
    from .intake.deidentify.leak_audit import LeakAudit
    from .intake.deidentify.outcome import Report
    from .intake.dicom.scanning import Row, Scan
    from .intake.reports.labelling import Labelling
    from .intake.synthesis.synthetic_table import SyntheticTable
    from .prepare.texture_audit import TextureAudit
    from .prove.checklists.lists import Checklist
    from .prove.checklists.prisma import Flow
    from .prove.label_keeping import LabelKeeping
    from .selfchecking import Selfcheck


def run(
    recipe: str | Path | Recipe,
    out: str | Path | None = None,
    *,
    rehearse: bool = False,
    set: Sequence[str] = (),  # noqa: A002  the command line's own word
    device: str = "auto",
    fresh: bool = False,
    networks: Mapping[str, Any] | None = None,
    roots: Sequence[Path] | None = None,
    stream: TextIO | None = sys.stderr,
    trackers: Sequence[str] = (),
) -> Run:
    """Prepare, train, evaluate, report.

    Args:
        recipe: A file, or a resolved recipe.
        out: Folder for the run's folder; ``runs`` by default. The run's own folder is named by study and hash.
        rehearse: Two cases a role, one epoch; phantoms where the data is not here.
        set: Changes such as ``train.epochs=5``.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        fresh: Start anew instead of going on where the folder stands.
        networks: ``{name: module or f(inputs, width)}`` for a recipe that says ``network: name``.
        roots: Restrict the recipe's input paths to these folders.
        stream: Where progress is told; None is quiet.
        trackers: ``tensorboard``, ``mlflow``.

    Returns:
        The finished run: ``run.evidence``, ``run.folder``, ``run.seal(path)``.

    Raises:
        RecipeError: Every problem of the recipe, at once.
        CohortError, PrepareError, TrainError, Refusal: See `Run.complete`.
    """
    source = None
    if not isinstance(recipe, Recipe):
        source = Path(recipe)
        changes = [*set, "train.epochs=1", "train.tune_every=1"] if rehearse else list(set)
        recipe = load_recipe(source, changes, roots=roots, networks=tuple(networks or ()))
    name = f"{recipe.study}-{'rehearsal-' if rehearse else ''}{recipe.digest()[:8]}"
    folder = Path(out or "runs") / name
    if fresh and folder.exists():
        shutil.rmtree(folder)
    return Run(
        recipe,
        folder,
        device=device,
        rehearse=rehearse,
        networks=networks,
        stream=stream,
        trackers=trackers,
        source=source,
        roots=roots,
    ).complete()


def open_run(folder: str | Path, *, networks: Mapping[str, Any] | None = None) -> Run:
    """A run that is in a folder, to read or to seal.

    Args:
        folder: Of the run.
        networks: As given to `run`, where the recipe names one of the caller's own.

    Raises:
        RecipeError: The folder holds no run.
    """
    folder = Path(folder)
    if not (folder / "resolved.yaml").exists():
        raise RecipeError(
            "the folder holds no run",
            where=folder.name,
            expected="a folder that `preceptor run` made, with resolved.yaml in it",
            code="not_a_run",
        )
    recipe = load_recipe(folder / "resolved.yaml", networks=tuple(networks or ()))
    return Run(recipe, folder, stream=None, networks=networks)


def report(folder: str | Path) -> Path:
    """Write a run's report anew.

    Returns:
        Path of ``report.html``.
    """
    from preceptor.prove.report.writing import write_report

    open_run(folder)
    return write_report(Path(folder))


def seal(folder: str | Path, path: str | Path, key: str | Path | None = None) -> Any:
    """Seal a run into a bundle.

    Args:
        folder: The run's.
        path: Of the bundle to write.
        key: An Ed25519 private key (PEM) to sign with.

    Raises:
        Refusal: A gate does not hold.
    """
    return open_run(folder).seal(path, None if key is None else Path(key))


def open_bundle(path: str | Path, *, key: str | Path | None = None) -> Any:
    """Open a sealed bundle: every byte is verified first.

    Args:
        path: Of the bundle.
        key: A public key (PEM) that must have signed it.

    Raises:
        BundleError: It is damaged, of another kind, of a newer format, or not signed by this key.
    """
    from .deliver.bundle import Bundle

    return Bundle.open(Path(path), key=key)


def check(recipe: str | Path, *, set: Sequence[str] = (), roots: Sequence[Path] | None = None) -> Recipe:  # noqa: A002
    """Check a recipe: every problem at once.

    Raises:
        RecipeError: With all of them.
    """
    return load_recipe(Path(recipe), list(set), roots=roots)


def scan(
    source: str | Path,
    out: str | Path | None = None,
    *,
    pixels: bool = False,
    tell: Callable[[int, int], None] | None = None,
) -> Scan:
    """Every DICOM series of a folder, a DICOMDIR or a zip archive: taken, split or refused, and why.

    Args:
        source: The folder or file. Nothing in it is changed.
        out: ``.csv`` or ``.parquet`` to write the rows to; their column ``source`` holds file names.
        pixels: Decode every image too.
        tell: Is told how many of how many series are done.

    Raises:
        CohortError: The source is absent or a damaged archive, or the table exists already.
    """
    from .intake.dicom.scanning import scan as scan_folder
    from .intake.tables import refuse_existing, write_rows
    from .intake.unpacking import unpacked

    if out is not None:
        refuse_existing(Path(out))
    with unpacked(Path(source)) as place:
        found = scan_folder(place, pixels=pixels, tell=tell)
    if out is not None:
        write_rows(Path(out), [row.record() for row in found.rows])
    return found


def deidentify(
    source: str | Path,
    out: str | Path,
    *,
    key: str | Path,
    profile: Literal["basic", "safe-list"] = "basic",
    retain: Sequence[str] = (),
    keep: Sequence[str] = (),
    workers: int | None = None,
    again: bool = False,
    fresh: bool = False,
    relink: str | Path | None = None,
    review: str | Path | None = None,
    tell: Callable[[Any], None] | None = None,
) -> Report:
    """Write every file of a folder anew without its patient, or refuse it; see `preceptor.intake.deidentify.folder`.

    Args:
        source: A folder, a zip archive or one file. Nothing in it is changed.
        out: A folder that is empty, or that this function began.
        key: A file with 16 bytes or more, outside of `out`.
        profile: ``basic`` is DICOM PS3.15's; ``safe-list`` keeps only what is named.
        retain: Options of the profile.
        keep: With ``safe-list`` the keywords to keep, in place of the package's own.
        workers: Processes; by default one for every core.
        again: Also take files that say they are de-identified already.
        fresh: Start anew where a batch lies.
        relink: CSV to write that tells who is behind each pseudonym.
        review: HTML to write that lists what a person has to look at, series by series.
        tell: Called with each file's outcome.

    Raises:
        RecipeError: An option or a keyword is unknown, the key is absent, or folders lie inside one another.
        CohortError: There is nothing to clean, or `out` holds something else.
    """
    from .intake.deidentify.folder import deidentify_folder
    from .intake.deidentify.profile import Settings
    from .intake.deidentify.relinking import write_relinking_table
    from .intake.deidentify.review import write_series_sheet
    from .intake.unpacking import unpacked

    settings = Settings(profile, tuple(retain), tuple(keep), again)
    with unpacked(Path(source)) as place:
        if relink is not None:
            write_relinking_table(place, Path(key), Path(relink), out=Path(out))
        report = deidentify_folder(place, Path(out), settings, Path(key), workers=workers, fresh=fresh, tell=tell)
    if review is not None:
        write_series_sheet(report.series, Path(review))
    return report


def audit_phi(
    folder: str | Path, known: str | Path, *, shortest: int = 4, tell: Callable[[int, int], None] | None = None
) -> LeakAudit:
    """Search every byte of a folder for values that must not be in it; see `preceptor.intake.deidentify.leak_audit`.

    Args:
        folder: Any folder, or one file.
        known: CSV with a heading; every cell is a value to look for.
        shortest: Values with fewer characters are left out.
        tell: Is told how many of how many files are done.

    Raises:
        CohortError: The folder or the table is absent.
    """
    from .intake.deidentify.leak_audit import audit_folder, read_known

    return audit_folder(Path(folder), read_known(Path(known)), shortest=shortest, tell=tell)


def convert(
    source: str | Path,
    out: str | Path,
    *,
    untilt: bool = False,
    tell: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """Write the DICOM series of a folder, a DICOMDIR, a zip archive or one file as NIfTI, and a table of them.

    Args:
        source: Nothing in it is changed.
        out: The folder of the files and of ``conversion.csv``.
        untilt: Move the slices of a tilted gantry onto one grid instead of refusing them.
        tell: Is told how many of how many images are done.

    Returns:
        A row for each image, written or refused with its reason.

    Raises:
        CohortError: The source is absent, or a damaged archive.
    """
    from .intake.dicom.converting import convert as convert_folder
    from .intake.unpacking import unpacked

    with unpacked(Path(source)) as place:
        return convert_folder(place, Path(out), tell, untilt=untilt)


def tags(
    source: str | Path,
    out: str | Path | None = None,
    *,
    level: Literal["series", "file"] = "series",
    tell: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """What the DICOM headers of a folder, a DICOMDIR, a zip archive or one file say, units in the names of the columns.

    Args:
        source: Nothing in it is changed.
        out: ``.csv`` or ``.parquet`` to write the rows to.
        level: A row for each series, or for each file.
        tell: Is told how many of how many series are done.

    Raises:
        CohortError: The source is absent or a damaged archive, or the table exists already.
    """
    from .intake.tables import refuse_existing, write_rows
    from .intake.tags.table import tag_rows
    from .intake.unpacking import unpacked

    if out is not None:
        refuse_existing(Path(out))
    with unpacked(Path(source)) as place:
        rows = tag_rows(place, level, tell)
    if out is not None:
        write_rows(Path(out), rows)
    return rows


def convert_annotations(
    source: str | Path,
    out: str | Path,
    *,
    to: Any = None,
    also: Sequence[str | Path] = (),
    readers: Sequence[str] = (),
    image: str | Path | None = None,
    consensus: Any = None,
    tie: Any = "refuse",
    everyone: bool = False,
) -> tuple[Annotations, pandas.DataFrame | None, list[str]]:
    """Convert annotations between formats, or several readers' into a consensus.

    Args:
        source: MD.ai, COCO, GeoJSON, ASAP's XML, DICOM SEG or RTSTRUCT, or a table that was written here.
        out: The file; of masks a folder. Nothing is overwritten.
        to: ``mdai``, ``coco``, ``geojson``, ``asap``, ``seg``, ``table`` or ``masks``; None where the suffix tells.
        also: Further files.
        readers: Code of each file's reader, where the files do not tell.
        image: The image that was drawn on.
        consensus: ``majority`` or ``staple``.
        tie: Of a majority: ``background``, ``foreground`` or ``refuse``.
        everyone: Every reader looked at everything.

    Returns:
        What was written, the readers' quality where a consensus was made, and what the format could not hold.

    Raises:
        RecipeError: The file is there already, or the names of readers do not fit the files.
        CohortError, PrepareError: A file is damaged, of another kind, or does not fit its image.
    """
    from .intake.annotations import agreeing
    from .intake.annotations.files import form_of, write_annotations

    out = Path(out)
    form = form_of(out, to)
    if form != "masks" and out.exists():
        raise RecipeError(
            "the file is there already", where=out.name, expected="a new file", remedy="name another", code="file_taken"
        )
    found = _annotations(source, also, readers, image)
    quality = None
    if consensus is not None:
        found, quality = agreeing.consensus(found, consensus, tie=tie, everyone=everyone)
    left = write_annotations(out, found, form, None if image is None else Path(image))
    return found, quality, left


def agreement_of_annotations(
    source: str | Path,
    *,
    also: Sequence[str | Path] = (),
    readers: Sequence[str] = (),
    image: str | Path | None = None,
    everyone: bool = False,
) -> pandas.DataFrame:
    """How far the readers of annotations agree; arguments as in `convert_annotations`.

    Raises:
        CohortError: There are fewer than two readers.
    """
    from .intake.annotations.agreeing import agreement

    return agreement(_annotations(source, also, readers, image), everyone=everyone)


def _annotations(
    source: str | Path, also: Sequence[str | Path], readers: Sequence[str], image: str | Path | None
) -> Annotations:
    from .intake.annotations.files import read_annotations
    from .intake.annotations.record import joined

    files = [Path(each) for each in (source, *also)]
    if readers and len(readers) != len(files):
        raise RecipeError(
            f"{len(readers)} readers are named for {len(files)} files",
            expected="one reader a file, in order, or none where the files tell",
            code="readers_unfit",
        )
    parts = [read_annotations(each, None if image is None else Path(image)) for each in files]
    if readers:
        parts = [part.by_reader(name) for part, name in zip(parts, readers, strict=True)]
    return joined(parts)


def label_reports(
    table: str | Path,
    column: str,
    out: str | Path,
    *,
    key: str | None = None,
    findings: str | Path | None = None,
    review: int = 0,
    seed: int = 0,
) -> Labelling:
    """Label findings from the text of reports by rules, and tell from a sample read again how often they are wrong.

    Args:
        table: ``.csv``, ``.tsv`` or ``.parquet`` with a report a row.
        column: Of the reports' text.
        out: ``.csv`` for the labels: 1 present, 0 absent, -1 uncertain, empty not mentioned.
        key: Column that names each report; by default its number.
        findings: YAML or JSON ``{finding: [phrases]}``; by default findings of chest radiographs, in English.
        review: Reports of each finding and verdict that a reader is asked of, in ``OUT-review.csv``, which holds their
            text. Where that sheet lies already, it is read.
        seed: Of the draw.

    Returns:
        ``.labelled``, and where there is a sheet ``.sheet``, ``.questions``, ``.still_open`` and ``.errors``.

    Raises:
        CohortError: A column is missing, the output holds something else, or an answer can't be read.
    """
    from .intake.reports.labelling import label_reports as label

    given = None if findings is None else Path(findings)
    return label(Path(table), column, Path(out), key=key, findings=given, review=review, seed=seed)


def build_cohort(source: str | Path, out: str | Path | None = None, *, unpack_to: str | Path | None = None) -> Cohort:
    """A cohort from a folder, a zip archive, a table, ``dataset.json``, nnU-Net raw or BIDS; the layout is recognised.

    Args:
        source: The folder or file.
        out: ``.parquet`` or ``.csv`` to write it to.
        unpack_to: Folder for an archive's files, which the cohort needs from then on; new or empty.

    Raises:
        CohortError: The data is absent or not recognised, an archive is damaged or unsafe, or it has no folder to go to.
    """
    from .intake.cohort import build_cohort as from_dataset
    from .intake.cohort import detect_layout
    from .intake.unpacking import is_archive, unpack_for_good

    place = Path(source)
    if is_archive(place):
        place = unpack_for_good(place, None if unpack_to is None else Path(unpack_to))
    cohort = from_dataset(detect_layout(place), Path(source).stem)
    if out is not None:
        cohort.write(Path(out))
    return cohort


def check_cohort(
    source: str | Path,
    checks: Sequence[Any] | None = None,
    *,
    keep: str | Path | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Problem]:
    """Every problem of a cohort (a recipe's, or one written by `build_cohort`), in one go.

    Args:
        source: A recipe (``.yaml``) or a cohort (``.parquet``, ``.csv``).
        checks: Which checks; by default the recipe's, or all of them.
        keep: Folder to keep what was seen in (the images in small), so that a look that was stopped goes on where it
            was.
        progress: Told ``(label, done, total)``.

    Raises:
        CohortError: The cohort is absent, or the folder to keep the survey in holds something else.
    """
    from .core.slots import build, names
    from .intake import checking
    from .intake.cohort import build_cohort as from_dataset

    source = Path(source)
    look = partial(checking.check_cohort, progress=progress, keep=None if keep is None else Path(keep))
    if source.suffix in (".yaml", ".yml"):
        recipe = load_recipe(source)
        cohort = from_dataset(build("datasets", recipe.cohort, root=recipe.folder), recipe.study)
        task = build("tasks", recipe.task)
        return look(cohort, checks or recipe.checks, recipe.split, recipe.seed, task)[1]
    return look(Cohort.read(source), checks or list(names("checks")), None, 0, None)[1]


def check_made(
    bundle: str | Path,
    made: str | Path,
    real: str | Path | None = None,
    *,
    margin: float = 0.05,
    least: float = 0.6,
    seed: int = 0,
) -> LabelKeeping:
    """Whether made images (a generator's, or what `augment` wrote) still show what their labels say.

    Args:
        bundle: A model that learnt from real images: the judge.
        made: The cohort of made images, or the enlarged cohort that `augment` wrote.
        real: Real images with truth that the judge has not seen; None for the enlarged cohort's test cases.
        margin: How far below real images a class may lie, at the lower end of the difference's interval.
        least: What the judge must reach with real images to be one.
        seed: Of the resamples behind the intervals.

    Returns:
        ``.verdict`` with its reasons, and ``.classes`` one by one.

    Raises:
        CohortError: There is nothing to compare, or made images have held-out parents.
        BundleError: The bundle is damaged.
    """
    from .deliver.checking_made import check_made as check_with

    return check_with(
        Path(bundle), Path(made), None if real is None else Path(real), margin=margin, least=least, seed=seed
    )


def split_cohort(
    source: str | Path, settings: Mapping[str, Any], seed: int = 0, out: str | Path | None = None
) -> Cohort:
    """Give the cases of a cohort their roles, by patient.

    Args:
        source: A cohort file.
        settings: As a recipe's `split` section.
        seed: Of the split.
        out: Where to write the cohort with its roles; over the source by default is refused.
    """
    from .intake.split import split

    cohort = split(Cohort.read(Path(source)), dict(settings), seed)
    if out is not None:
        if Path(out).exists():
            raise CohortError(
                "the output exists already", where=Path(out).name, remedy="name another file", code="exists"
            )
        cohort.write(Path(out))
    return cohort


def augment(
    recipe: str | Path,
    out: str | Path,
    *,
    copies: int = 4,
    set: Sequence[str] = (),  # noqa: A002
    fresh: bool = False,
    stream: TextIO | None = sys.stderr,
) -> Cohort:
    """Write a recipe's cohort, prepared, with varied copies of its training cases; see `preceptor.deliver.augmenting`.

    Args:
        recipe: Whose `prepare` is applied and whose `augment` is drawn.
        out: Folder for ``images/``, ``masks/``, ``cohort.parquet``, and the ``recipe.yaml`` that trains on them.
        copies: Of each training case; cases of other roles are never varied.
        set: Changes to the recipe.
        fresh: Begin anew where another enlarged cohort lies.
        stream: Where progress is told; None is quiet.

    Returns:
        The enlarged cohort. Copies have their parent's role, patient and group.

    Raises:
        RecipeError: The recipe augments nothing, or the folder holds something else.
        CohortError, PrepareError: The data is not fit for it.
    """
    from .deliver.augmenting import enlarged_cohort
    from .learn.journal import Journal

    if copies < 1:
        raise RecipeError("no copies are asked for", expected="one or more", code="copies")
    told = Journal(None, stream).bar
    return enlarged_cohort(load_recipe(Path(recipe), list(set)), Path(out), copies=copies, fresh=fresh, tell=told)


def show_augment(
    recipe: str | Path,
    out: str | Path = "augment.html",
    *,
    cases: int = 3,
    variations: int = 5,
    set: Sequence[str] = (),  # noqa: A002
    stream: TextIO | None = sys.stderr,
) -> dict[str, Any]:
    """Write a page that shows what a recipe's augmentation makes of a few training cases, for a person to judge and sign.

    Args:
        recipe: The recipe.
        out: Of the page: one file, which opens offline and prints.
        cases: How many training cases.
        variations: Of each.
        set: Changes to the recipe.
        stream: Where progress is told; None is quiet.

    Returns:
        ``{page, cases, drawn}``: the path, the cases' keys, and what was drawn.

    Raises:
        RecipeError: The recipe augments nothing.
        CohortError, PrepareError: The data is not fit for it.
    """
    from .deliver.augment_page import write_augment_page
    from .learn.journal import Journal

    told = Journal(None, stream).bar
    return write_augment_page(
        load_recipe(Path(recipe), list(set)), Path(out), cases=cases, variations=variations, tell=told
    )


def audit_texture(
    recipe: str | Path,
    *,
    cases: int = 8,
    strength: float = 0.3,
    least_kept: float = 0.8,
    set: Sequence[str] = (),  # noqa: A002
    stream: TextIO | None = sys.stderr,
) -> TextureAudit:
    """Plant fine and coarse grain in a recipe's training images and see which of its steps wipes the difference out.

    Args:
        recipe: Its prepare and augment are tried; nothing is trained.
        cases: How many training cases, spread over all of them; four or more.
        strength: Of the grain, as a share of the foreground's own deviation.
        least_kept: A step that keeps a smaller share of the difference is named.
        set: Changes to the recipe.
        stream: Where progress is told; None is quiet.

    Returns:
        A row for each step, and a sentence.

    Raises:
        RecipeError, CohortError, PrepareError: The recipe or its data is not fit for it.
    """
    from .learn.journal import Journal
    from .prepare.texture_audit import audit_recipe

    return audit_recipe(
        load_recipe(Path(recipe), list(set)),
        cases=cases,
        strength=strength,
        least_kept=least_kept,
        tell=Journal(None, stream).bar,
    )


def evaluate(
    model: str | Path | None,
    cohort: str | Path | None = None,
    *,
    predictions: str | Path | None = None,
    out: str | Path = "evaluation",
    set: Mapping[str, Any] | None = None,  # noqa: A002
    truth: str | Path | None = None,
    task: str = "segmentation",
    labels: Mapping[str, int] | None = None,
    cases: str | Path | None = None,
) -> Evidence:
    """Measure a bundle on a cohort it never saw, or anyone's stored predictions.

    Args:
        model: A bundle; None with `predictions`.
        cohort: A cohort file (``.parquet``, ``.csv``) with truth, or a recipe whose cohort is meant.
        predictions: A table with the columns of `preceptor.core.evidence.Predictions`, or, with `truth`, a folder of
            masks or images.
        out: Folder for ``evidence.json`` and ``report.html``.
        set: Evaluators and gates by section, in place of the bundle's.
        truth: A folder of truths with the names of the answers in the folder `predictions`.
        task: What the two folders hold: ``segmentation``, ``instances`` (an object a number) or ``translation``.
        labels: ``{structure: value}`` of the masks; the values found where None.
        cases: A table with ``key`` (a file's name without its ending), ``patient`` and any field.

    Raises:
        CohortError: Columns are missing, each is named; or names in the two folders do not match.
    """
    from .deliver.evaluating import evaluate_bundle, evaluate_folders, evaluate_predictions

    if predictions is not None and truth is not None:
        read = {"task": task, "labels": labels, "cases": None if cases is None else Path(cases)}
        return evaluate_folders(Path(truth), Path(predictions), Path(out), set or {}, **read)
    if predictions is not None:
        return evaluate_predictions(Path(predictions), Path(out), set or {})
    if model is None or cohort is None:
        raise RecipeError(
            "nothing to evaluate", expected="a bundle and a cohort, or --predictions FILE", code="nothing_to_evaluate"
        )
    return evaluate_bundle(Path(model), Path(cohort), Path(out), set or {})


def compare(
    *sources: str | Path, measures: Sequence[Any] | None = None, margin: float | None = None, level: float = 0.95
) -> Finding:
    """Compare two models on the cases that both answered, or the trainings of one recipe with several seeds.

    Args:
        sources: Folders of runs or of evaluations, or tables of predictions. Two are compared in pairs; three or more
            are taken for one recipe with other seeds, and the spread over them is measured.
        measures: Evaluators, as a recipe names them; the first one leads.
        margin: The largest difference of the leading measure that does not matter (of two).
        level: Of the intervals.

    Raises:
        CohortError: They share no case, were asked different questions, or hold different truths.
    """
    from preceptor.prove.comparing.compare import compare as compare_two
    from preceptor.prove.comparing.pairing import read_answers
    from preceptor.prove.comparing.seeds import seed_spread

    if len(sources) < 2:
        raise RecipeError("nothing to compare with", expected="two runs or tables, or more", code="nothing_to_compare")
    several = [read_answers(Path(each)) for each in sources]
    if len(several) > 2:
        return seed_spread(several, measures[0] if measures else None, level=level)
    return compare_two(several[0], several[1], measures=measures, margin=margin, level=level)


def predict(
    bundle: str | Path,
    inputs: Sequence[str | Path],
    out: str | Path,
    *,
    device: str = "auto",
    key: str | Path | None = None,
) -> Any:
    """Predict files, folders or DICOM series with a sealed bundle; see `preceptor.deliver.predicting`.

    Args:
        bundle: Of the bundle.
        inputs: Files, folders, lists (``.txt``) or tables (``.csv``, ``.parquet``).
        out: Folder for the results.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        key: A public key (PEM) that must have signed the bundle.

    Returns:
        The table that lies in ``out/predictions.csv``.
    """
    from .deliver.predicting import predict_inputs

    return predict_inputs(open_bundle(bundle, key=key), [Path(each) for each in inputs], Path(out), device=device)


def slide_info(slide: str | Path, *, slide_microns: float | None = None) -> dict[str, Any]:
    """What a whole slide holds: levels with their microns per pixel, vendor, and the pictures beside them.

    Args:
        slide: A file, or the folder of a DICOM series.
        slide_microns: Microns per pixel of the finest level, where the file does not say or says something wrong.

    Raises:
        PrepareError: It is no slide, damaged, or claims an absurd size.
        MissingExtra: ``preceptor[pathology]`` is not installed, and the slide is no DICOM.
    """
    from .intake.slides.slide import open_slide
    from .intake.slides.tell import describe

    with open_slide(slide, slide_microns) as opened:
        return describe(opened)


def slide_tiles(
    slide: str | Path,
    out: str | Path,
    *,
    tile_um: float = 256.0,
    microns_per_pixel: float = 0.5,
    overlap: float = 0.0,
    least_tissue: float = 0.5,
    tissue_by: Literal["grey", "saturation"] = "grey",
    slide_microns: float | None = None,
    pictures: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Find a slide's tissue and cut it into tiles; see `preceptor.intake.slides.tell.write_tiles`.

    Raises:
        RecipeError: The numbers make no tiles.
        PrepareError: The slide can't be read, its microns are not known, or it has no tissue.
    """
    from .intake.slides.slide import open_slide
    from .intake.slides.tell import write_tiles
    from .intake.slides.tiles import Tiling

    tiling = Tiling(tile_um, microns_per_pixel, overlap, least_tissue)
    with open_slide(slide, slide_microns) as opened:
        return write_tiles(opened, Path(out), tiling, tissue_by=tissue_by, pictures=pictures, progress=progress)


def slide_heatmap(
    bundle: str | Path,
    slide: str | Path,
    out: str | Path,
    *,
    label: str | None = None,
    tile_um: float | None = None,
    microns_per_pixel: float | None = None,
    overlap: float | None = None,
    least_tissue: float | None = None,
    percentile: float = 95.0,
    slide_microns: float | None = None,
    device: str = "auto",
    key: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SlideAnswer:
    """Let a sealed bundle answer every tile of a slide; see `preceptor.deliver.slides.predict_slide`.

    Args:
        bundle: Of a classifier of tiles.
        slide: A file, or the folder of a DICOM series.
        out: Folder for the results.
        label: The class whose probability is mapped; by default the second of two.
        tile_um, microns_per_pixel, overlap, least_tissue: How to cut, where it is not to be as in training.
        percentile: Of the tiles, for the slide's score.
        slide_microns: Microns per pixel of the finest level, where the file does not say or says something wrong.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        key: A public key (PEM) that must have signed the bundle.
        progress: Called with how many tiles are done, and how many there are.
    """
    from .deliver.slides import predict_slide, tiling_of
    from .intake.slides.slide import open_slide

    opened_bundle = open_bundle(bundle, key=key)
    asked = {
        "tile_um": tile_um,
        "microns_per_pixel": microns_per_pixel,
        "overlap": overlap,
        "least_tissue": least_tissue,
    }
    tiling = tiling_of(opened_bundle, {name: each for name, each in asked.items() if each is not None})
    with open_slide(slide, slide_microns) as opened:
        return predict_slide(
            opened_bundle,
            opened,
            Path(out),
            label=label,
            tiling=tiling,
            percentile=percentile,
            device=device,
            progress=progress,
        )


def checklist(
    runs: str | Path | Sequence[str | Path],
    name: str,
    out: str | Path | None = None,
    *,
    answers: str | Path | None = None,
) -> Checklist:
    """Fill a reporting checklist, a model card or a data sheet from a run's own record.

    Args:
        runs: The run's folder.
        name: Of the list: see `preceptor.prove.checklists.lists.names`.
        out: ``.md``, ``.html`` or ``.csv`` file to write.
        answers: A YAML file ``{number: text}`` of what only the authors can say.

    Raises:
        RecipeError: No such list, form, item or run; or several runs, which only `flow_of_runs` takes.
    """
    from .prove.checklists.lists import checklist, read_given
    from .prove.checklists.writing import write_checklist

    folders = _run_folders(runs)
    if len(folders) != 1:
        raise RecipeError(
            f"'{name}' is filled from one run, not {len(folders)}", expected="one run's folder", code="checklist_runs"
        )
    given = None if answers is None else read_given(Path(answers), name)
    filled = checklist(folders[0], name, given)
    if out is not None:
        write_checklist(filled, Path(out))
    return filled


def flow_of_runs(runs: Sequence[str | Path], out: str | Path | None = None) -> Flow:
    """The flow of a set of runs in the boxes of PRISMA 2020.

    Args:
        runs: Their folders.
        out: ``.md``, ``.html`` or ``.csv`` file to write.

    Raises:
        RecipeError: A folder holds no run, or none is named.
    """
    from .prove.checklists.prisma import flow_of_runs as screened
    from .prove.checklists.prisma import write_flow

    flow = screened(_run_folders(runs))
    if out is not None:
        write_flow(flow, Path(out))
    return flow


def _run_folders(runs: str | Path | Sequence[str | Path]) -> list[Record]:
    """What lies in folders that must be runs'."""
    from preceptor.prove.report.record import Record

    folders = [Path(each) for each in ([runs] if isinstance(runs, (str, Path)) else runs)]
    for folder in folders:
        if not any((folder / name).exists() for name in ("resolved.yaml", "evidence.json", "predictions.parquet")):
            raise RecipeError(
                "the folder holds no run",
                where=folder.name,
                expected="a folder that `preceptor run` or `preceptor evaluate` made",
                code="not_a_run",
            )
    return [Record.read(folder) for folder in folders]


def allocate_readers(
    source: str | Path, readers: Sequence[str], out: str | Path | None = None, **settings: Any
) -> pandas.DataFrame:
    """Allocate the test cases of a run to readers; see `preceptor.prove.readers.allocation.allocate`.

    Args:
        source: A run's folder, or a table of predictions with the truth.
        readers: Codes of the readers.
        out: Folder for ``allocation.csv`` and ``sheets/<reader>.csv``; None writes nothing.
        settings: Of `allocate`: arms, washout_days, planted_wrong, finding, seed.

    Raises:
        CohortError: The study can't be allocated, or the folder holds an allocation already.
    """
    from .prove.readers.allocation import allocate
    from .prove.readers.files import stored_predictions, write_allocation

    table = allocate(stored_predictions(Path(source)), readers, **settings)
    if out is not None:
        write_allocation(table, Path(out))
    return table


def analyse_readers(
    source: str | Path,
    answers: Sequence[str | Path],
    out: str | Path | None = None,
    *,
    allocation: str | Path | None = None,
    **settings: Any,
) -> dict[str, Finding]:
    """Analyse what readers answered; see `preceptor.prove.readers.analysis.analyse`.

    Args:
        source: A run's folder, or a table of predictions with the truth.
        answers: Tables of answers.
        out: Folder for ``evidence.json`` and ``readers.html``; None writes nothing.
        allocation: What `allocate_readers` wrote.
        settings: Of `analyse`: finding, washout_days, resamples, level, seed.

    Raises:
        CohortError: The answers can't be used; every fault is named.
    """
    from .prove.readers.analysis import analyse
    from .prove.readers.answers import read_answers
    from .prove.readers.files import read_allocation, stored_predictions
    from .prove.readers.section import write_readers_page

    table = read_answers(*map(Path, answers))
    planted = None if allocation is None else read_allocation(Path(allocation))
    predictions = stored_predictions(Path(source))
    found = analyse(table, predictions, allocation=planted, **settings)
    if out is not None:
        write_readers_page(found, Path(out), predictions.question)
    return found


def audit(
    folder: str | Path,
    *,
    fields: Sequence[str] | None = None,
    target: Mapping[str, Mapping[str, float]] | str | Path | None = None,
    most_cases: int = 300,
    pixels: bool = True,
    device: str = "auto",
    fresh: bool = False,
    networks: Mapping[str, Any] | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> Any:
    """Seek shortcuts in a finished run; see `preceptor.prove.shortcuts.audit`.

    Args:
        folder: The run's; ``audit.json`` (and ``audit_means.npz``) are written into it.
        fields: Fields of the cohort to suspect; None takes sex, age, site, scanner, view and quality.
        target: ``{field: {group: share}}`` of the population that the model is meant for, or a YAML file of it.
        most_cases: How many test cases' pixels to look at.
        pixels: False audits stored predictions alone.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        fresh: Replace an earlier audit.
        networks: Networks of the caller's own, by name.
        tell: Told what is being asked.

    Returns:
        The audit: ``.suspicions``, ``.trials``, ``.sentence``, ``.notes``.

    Raises:
        CohortError: The run was audited already, or no test case was predicted.
        BundleError: The run is not finished.
    """
    from .deliver.auditing import audit_run, read_target

    run = open_run(folder, networks=networks)
    path = Path(folder) / "audit.json"
    if path.exists() and not fresh:
        raise CohortError(
            "the run was audited already",
            where=path.name,
            remedy="read audit.json, or `preceptor audit RUN --fresh`",
            code="audit_exists",
        )
    if isinstance(target, (str, Path)):
        target = read_target(Path(target))
    found = audit_run(
        run.recipe,
        Path(folder),
        fields=fields,
        target=target,
        most_cases=most_cases,
        pixels=pixels,
        device=device,
        networks=networks,
        tell=tell,
    )
    found.write(Path(folder), fresh=fresh)
    return found


def explain(
    folder: str | Path,
    *,
    occlude: Sequence[str] = (),
    streams: bool = False,
    table: bool = False,
    fields: Sequence[str] = (),
    networks: Mapping[str, Any] | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Ask a finished run what its answers rest on; see `preceptor.deliver.explaining.explain_run`.

    Args:
        folder: The run's; what is found is written into its ``explanations``, and its report anew.
        occlude: Regions to cover, such as ``heart=mask:heart`` or ``corner=box:0-0.2,0-0.2``.
        streams: Share the performance out among the views.
        table: Ask which fields of the cohort tell of the truth.
        fields: For `table`: which; none takes them all.
        networks: Networks of the caller's own, by name.
        settings: Of `explain_run`: margin_voxels, fill, most_cases, device, fresh, tell.

    Returns:
        What was asked: ``serial_occlusion``, ``stream_shares`` (`Finding`), ``table``.

    Raises:
        RecipeError: Nothing is asked, a region can't be understood, or the task does not allow the question.
        CohortError: It was asked before, or the cohort has no such cases, masks or fields.
        BundleError: The run is not finished.
    """
    from preceptor.prove.report.writing import write_report

    from .deliver.explaining import explain_run

    if not (occlude or streams or table):
        raise RecipeError(
            "nothing is asked",
            expected="--occlude NAME=mask:MASK, --streams or --table",
            remedy="maps of single cases are made by the recipe's section `explain`",
            code="explain_nothing",
        )
    run = open_run(folder, networks=networks)
    found = explain_run(run, occlude=occlude, streams=streams, table=table, fields=fields, **settings)
    write_report(Path(folder))
    return found


def demo(out: str | Path = "demo", *, fresh: bool = False, stream: TextIO | None = sys.stderr) -> dict[str, Any]:
    """The whole path on phantoms made on the spot: check, train, prove, seal, predict, refuse.

    Args:
        out: Folder for everything the demo makes.
        fresh: Start anew where an earlier demo lies.
        stream: Where it is told.

    Returns:
        Paths and answers, by name.
    """
    folder = Path(out)
    if fresh and folder.exists():
        shutil.rmtree(folder)
    (folder / "recipes").mkdir(parents=True, exist_ok=True)
    recipe = folder / "recipes" / "phantoms.yaml"
    recipe.write_text(packaged_recipe("phantoms").read_text(encoding="utf-8"), encoding="utf-8")
    finished = run(recipe, folder / "runs", stream=stream)
    bundle = folder / "phantoms.preceptor"
    if fresh or not bundle.exists():
        finished.seal(bundle)
    cohort = Cohort.read(finished.folder / "cohort.parquet")
    case = cohort.with_role("test")[0]
    known = cohort.root / next(iter(case.images.values()))
    table = predict(bundle, [known, _foreign_image(folder)], folder / "predictions")
    answered, refused = table.iloc[0], table.iloc[1]
    return {
        "report": str(finished.folder / "report.html"),
        "bundle": str(bundle),
        "a test case": f"{answered['answer']} (probability {answered['probability_' + str(answered['answer'])]:.2f}, "
        f"uncertainty {answered['uncertainty']:.2f}); the truth is {case.labels['label']}",
        "an image from elsewhere": f"{'accepted' if refused['accepted'] else 'refused'}: {refused['reasons']}",
    }


def selfcheck(
    recipe: str | Path | Recipe,
    out: str | Path | None = None,
    *,
    cases: int = 160,
    steps: int = 300,
    device: str = "auto",
    fresh: bool = False,
    set: Sequence[str] = (),  # noqa: A002
    networks: Mapping[str, Any] | None = None,
    stream: TextIO | None = sys.stderr,
) -> Selfcheck:
    """Try a recipe's parts on trivial and on indissociable data; see `preceptor.selfchecking`.

    Args:
        recipe: A file, or a resolved recipe.
        out: Folder for both studies; by default ``runs/<study>-selfcheck-<hash>``.
        cases: In each study.
        steps: Of the optimizer in each training, at least.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        fresh: Start anew.
        set: Changes such as ``network=cnn``.
        networks: Networks of the caller's own, by name.
        stream: Where progress is told; None is quiet.

    Returns:
        ``.passed`` and ``.trials``, each with its score, limit and sentence.

    Raises:
        RecipeError: The recipe is wrong, or there is no trivial study for its task.
    """
    from .selfchecking import selfcheck as tried

    if not isinstance(recipe, Recipe):
        recipe = load_recipe(Path(recipe), list(set), networks=tuple(networks or ()))
    name = f"{recipe.study}-selfcheck-{recipe.digest()[:8]}-{cases}-{steps}"
    folder = Path(out) if out is not None else Path("runs") / name
    if fresh and any((folder / study).exists() for study in ("trivial", "indissociable")):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return tried(recipe, folder, cases=cases, steps=steps, device=device, networks=networks, stream=stream)


def synthesise(
    kind: str,
    out: str | Path,
    *,
    cases: int = 200,
    format: str = "nifti",  # noqa: A002  the command line's own word
    seed: int = 0,
    set: Sequence[str] = (),  # noqa: A002
    burned_text: float = 0.0,
    text_height_px: tuple[int, int] = (8, 20),
    text_contrast: tuple[float, float] = (0.2, 1.0),
    workers: int = 1,
    fresh: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Cohort:
    """Draw a study of phantoms whose truth is known.

    Args:
        kind: A name that `preceptor list phantoms` shows.
        out: The study's folder; begun before, it goes on where it stopped.
        cases: How many.
        format: ``nifti``, ``png`` or ``dicom``.
        seed: Everything drawn follows from it.
        set: The kind's settings, each ``name=value``.
        burned_text: Share of the cases with a made-up name burned into their pixels; the field ``burned_text`` says
            where.
        text_height_px: Smallest and largest height of its letters.
        text_contrast: Least and most difference to what lies beneath, in units of the full range.
        workers: Processes that draw; the bytes are the same with any number.
        fresh: Start anew where an earlier study of phantoms lies.
        progress: Told ``(done, total)``.

    Returns:
        The cohort, whose table is ``cohort.csv`` in the folder.

    Raises:
        RecipeError: There is no such kind or setting, or the format can't hold its images.
        CohortError: The folder holds something else.
    """
    from .intake.burned_in.planted_text import BurnedText
    from .intake.synthesis.drawn_study import Order, forget, synthesise
    from .recipe.settings import named_settings

    text = BurnedText(burned_text, text_height_px, text_contrast) if burned_text else None
    order = Order(named_settings("phantoms", kind, set), cases, format, seed, text)  # type: ignore[arg-type]
    if fresh:
        forget(Path(out))
    return synthesise(order, Path(out), workers=workers, progress=progress)


def synthesise_table(
    source: str | Path,
    out: str | Path,
    *,
    label: str | None = None,
    patient: str | None = None,
    rows: int | None = None,
    seed: int = 0,
    leave_out: Sequence[str] = (),
    fresh: bool = False,
) -> SyntheticTable:
    """Make up a clinical table that looks like a real one and holds nobody's row, and measure both.

    Args:
        source: CSV, TSV or Parquet of real rows.
        out: The folder of ``table.csv`` and ``synthesis.json``.
        label: Column of classes; models trained on either table foretell it for real rows that neither holds.
        patient: Column that says whose row it is; patients stay on one side.
        rows: How many; by default as many as the generator was fitted on.
        seed: Everything drawn follows from it.
        leave_out: Columns to leave out.
        fresh: Start anew where an earlier table lies.

    Returns:
        ``.path`` of the table, and ``.record`` with ``utility``, ``privacy``, ``copies`` and ``left_out``.

    Raises:
        CohortError: The source holds too little, or the folder something else.
        Refusal: The rows repeat real ones, or keep too near to those they were learnt from.
    """
    from .intake.synthesis.synthetic_table import forget_table, synthesise_table

    if fresh:
        forget_table(Path(out))
    return synthesise_table(
        Path(source), Path(out), label=label, patient=patient, rows=rows, seed=seed, leave_out=leave_out
    )


def show_phantoms(
    kind: str,
    path: str | Path,
    *,
    cases: int = 200,
    seed: int = 0,
    set: Sequence[str] = (),  # noqa: A002
    burned_text: float = 0.0,
    text_height_px: tuple[int, int] = (8, 20),
    text_contrast: tuple[float, float] = (0.2, 1.0),
) -> Path:
    """Draw the first cases that `synthesise` would write, with their truth, on one sheet.

    Args:
        kind, cases, seed, set, burned_text, text_height_px, text_contrast: As in `synthesise`.
        path: A PNG file; one that is there is replaced.

    Returns:
        The path.

    Raises:
        RecipeError: There is no such kind or setting.
    """
    from .intake.burned_in.planted_text import BurnedText
    from .intake.synthesis.contact_sheet import write_contact_sheet
    from .intake.synthesis.drawn_study import Order
    from .recipe.settings import named_settings

    text = BurnedText(burned_text, text_height_px, text_contrast) if burned_text else None
    order = Order(named_settings("phantoms", kind, set), cases, "nifti", seed, text)
    return write_contact_sheet(order, Path(path))


def clean_pixels(
    source: str | Path,
    target: str | Path,
    *,
    review: str | Path | None = None,
    modality: str = "",
    fill: Literal["black", "local"] = "black",
    tell: Callable[[str], None] | None = None,
) -> list[CleanedFile]:
    """Mask what is written in the pixels of images, into copies.

    Args:
        source: A folder of DICOM, PNG, JPEG, BMP or NIfTI files, or one file; nothing in it is changed.
        target: Folder for the copies, which lies outside `source`.
        review: A sheet to write, HTML, on which a person signs what was masked.
        modality: Of files that do not say, as DICOM names it.
        fill: ``black``, or ``local`` for the median of what surrounds each masked part.
        tell: Called with a line for each file that is left out.

    Returns:
        A record for each file, those that were left out among them.

    Raises:
        MissingExtra: ``preceptor[ocr]`` is not installed.
        RecipeError: There is no such source, or the target lies in it.
    """
    from .core.errors import safe_name
    from .intake.burned_in.picture_cleaning import clean_folder
    from .intake.burned_in.review_sheet import write_review_sheet

    source, target = Path(source), Path(target)
    inside = source.is_dir() and target.resolve().is_relative_to(source.resolve())
    if not source.exists() or inside:
        raise RecipeError(
            "the cleaned copies would lie among the originals" if inside else "there is no such file or folder",
            where=safe_name(target if inside else source),
            expected="a folder of images, and another folder for the copies",
            code="target_inside" if inside else "source_missing",
        )
    done = []
    for each in clean_folder(source, target, modality=modality, fill=fill):
        done.append(each)
        if tell is not None and each.problem is not None:
            tell(f"left out {safe_name(each.source)}: {each.problem.what}")
    if review is not None:
        found = [(str(each.source), each.findings) for each in done if each.findings is not None]
        write_review_sheet(found, Path(review))
    return done


def packaged_recipe(name: str) -> Path:
    """A recipe that comes with the package: inside it once installed, in the repository before."""
    here = Path(__file__).parent
    places = (here / "recipes" / f"{name}.yaml", here.parents[1] / "recipes" / f"{name}.yaml")
    return next(path for path in places if path.exists())


def _foreign_image(folder: Path) -> Path:
    """A head phantom at another spacing: a fine image, and nothing that the demo's model was made for."""
    import numpy as np

    from .core.image import Image
    from .intake.write import write_image
    from .maths.phantom_heads import head

    path = folder / "elsewhere.nii.gz"
    pixels = np.repeat(head(np.random.default_rng(0), subtype=0, size=48)[:, :, None], 12, axis=2)
    write_image(path, Image(pixels[None], np.diag([1.0, 1.0, 3.0, 1.0])))
    return path
