"""What a run's record says of how its model was made. A function says None where the record does not tell."""

from __future__ import annotations

from preceptor.prove.report.record import Record
from preceptor.prove.report.wording import called, counted, duration, listed
from preceptor.prove.tuning_score import score_name

from .plain import described, spelt

#: Methods and objectives that answer to classes of unequal size.
_BALANCING = ("class_balance", "cased", "focal", "generalised_dice", "group_dro", "reweighing")
#: Methods that train against unequal treatment of groups.
_FAIR = ("demographic_parity", "group_dro", "reweighing", "gradient_reversal")
#: Safeguards that change probabilities after training.
_RECALIBRATING = ("temperature", "platt", "isotonic", "beta", "affine")
_REFUSING = ("input_control", "conformal", "abstain", "mahalanobis", "energy", "nearest_neighbours")


def preprocessing(record: Record) -> str | None:
    """Steps that prepare every image, in order."""
    steps = record.resolved.get("prepare")
    return f"In this order, once, the same for every part: {described(steps, 'transforms')}." if steps else None


def augmentation(record: Record) -> str | None:
    """What varies training images."""
    if "augment" not in record.resolved:
        return None
    steps = record.resolved["augment"]
    return (
        f"Training images alone are varied: {described(steps, 'transforms')}."
        if steps
        else "Training images are not varied."
    )


def predictors(record: Record) -> str | None:
    """What the network is shown."""
    cohort = record.cohort
    if cohort is None or not cohort.views:
        return None
    views = listed([f"'{view}'" for view in cohort.views], "and")
    return (
        f"The pixels of {'the view' if len(cohort.views) == 1 else 'the views'} {views}; no feature is chosen by hand."
    )


def model(record: Record) -> str | None:
    """Network and what it is trained to minimise."""
    network = record.resolved.get("network")
    objective = record.resolved.get("objective")
    if not network or not objective:
        return None
    return f"Network: {described(network, 'networks')}. Objective: {described(objective, 'objectives')}."


def initialisation(record: Record) -> str | None:
    """Where the first weights come from."""
    if not record.resolved.get("network"):
        return None
    if "transfer" in spelt(record.resolved.get("methods")):
        return "Weights of another training: " + described(
            [each for each in record.resolved["methods"] if "transfer" in spelt(each)], "methods"
        )
    return f"Weights are drawn at random with seed {record.resolved.get('seed', 'unknown')}."


def training(record: Record) -> str | None:
    """Epochs, optimizer, schedule, methods."""
    train = record.resolved.get("train")
    if not train:
        return None
    settings = [
        f"At most {train.get('epochs')} epochs of batches of {train.get('batch_size')}",
        f"optimizer: {described(train.get('optimizer'))}",
    ]
    if train.get("schedule"):
        settings.append(f"schedule: {described(train['schedule'])}")
    if record.resolved.get("methods"):
        settings.append(f"methods: {described(record.resolved['methods'], 'methods')}")
    ran = f" {counted(len(record.epochs), 'epoch')} ran in all." if record.epochs else ""
    return f"{'; '.join(settings)}.{ran}"


def selection(record: Record) -> str | None:
    """Which weights are kept."""
    if record.cohort is None or not record.resolved.get("train"):
        return None
    if not record.cohort.with_role("tune"):
        return (
            "There are no tuning cases: the weights of the last epoch are kept, and no setting was chosen by a score."
        )
    return f"The weights with the best score on the tuning cases are kept ({score_name(record.question)})."


def ensembling(record: Record) -> str | None:
    """How many trainings vote."""
    strategy = record.resolved.get("strategy")
    if not strategy:
        return None
    if spelt(strategy) == ["once"]:
        return "One training; no ensemble."
    return f"Strategy: {described(strategy, 'strategies')}; the probabilities of members of an ensemble are averaged."


def software(record: Record) -> str | None:
    """Packages and machine."""
    packages = {name: version for name, version in record.environment.get("packages", {}).items() if version}
    if not packages:
        return None
    python = record.environment.get("python")
    machine = [str(record.environment[key]) for key in ("system", "device") if record.environment.get(key)]
    versions = ", ".join(f"{name} {version}" for name, version in packages.items())
    on = f"; on {listed(machine, 'and')}" if machine else ""
    return f"{versions}{f', Python {python}' if python else ''}{on}."


def computing(record: Record) -> str | None:
    """Time and machine."""
    seconds = record.evidence.facts.get("seconds", record.environment.get("seconds"))
    device = record.evidence.facts.get("device", record.environment.get("device"))
    return None if seconds is None else f"{duration(float(seconds))} on {device or 'an unknown device'}."


def imbalance(record: Record) -> str | None:
    """What answers to classes of unequal size."""
    if not record.resolved.get("network"):
        return None
    used = [
        each
        for section in ("methods", "objective")
        for each in spelt(record.resolved.get(section))
        if each in _BALANCING
    ]
    if not used:
        return "No method answers to unequal class sizes; probabilities are left as they are trained."
    return f"{listed([called_any(each) for each in used], 'and')}; probabilities after it: see recalibration."


def fairness_method(record: Record) -> str | None:
    """What training does against unequal treatment of groups."""
    used = [each for each in spelt(record.resolved.get("methods")) if each in _FAIR]
    return f"Trained with {listed([called_any(each) for each in used], 'and')}." if used else None


def recalibration(record: Record) -> str | None:
    """What changes probabilities after training, on which cases."""
    if "safeguards" not in record.resolved:
        return None
    used = [each for each in spelt(record.resolved["safeguards"]) if each in _RECALIBRATING]
    if not used:
        return "Probabilities are not recalibrated after training."
    return f"{listed([called('safeguards', each) for each in used], 'and')}, fitted on the calibration cases alone."


def output(record: Record) -> str | None:
    """What the model says, and what stands between it and its reader."""
    asked = record.question
    if not asked.classes:
        return None
    kind = "a label map" if asked.dense else "a number" if asked.is_regression else "a probability for each class"
    guards = [called("safeguards", each) for each in spelt(record.resolved.get("safeguards"))]
    between = (
        f" Between it and its reader: {listed(guards, 'and')}."
        if guards
        else " Nothing stands between it and its reader."
    )
    return f"For each case {kind} and whether it is accepted.{between}"


def poor_input(record: Record) -> str | None:
    """What happens to input that the model was not made for."""
    guards = [each for each in spelt(record.resolved.get("safeguards")) if each in _REFUSING]
    checks = spelt(record.resolved.get("checks"))
    if not guards and not checks:
        return None
    refusing = (
        f"Refused or abstained from by {listed([called('safeguards', g) for g in guards], 'and')}." if guards else ""
    )
    refused = int(record.evidence.facts.get("refused") or 0)
    number = f" In this run: {counted(refused, 'test case')}." if guards else ""
    checking = (
        f" At prediction these checks run again: {listed([called('checks', c) for c in checks], 'and')}."
        if checks
        else ""
    )
    return f"{refusing}{number}{checking}".strip()


def reproduce(record: Record) -> str | None:
    """What is needed to run it again."""
    digest, cohort = record.evidence.facts.get("recipe"), record.evidence.facts.get("cohort")
    if not digest:
        return None
    version = record.environment.get("packages", {}).get("preceptor")
    return (
        f"The resolved recipe (hash {digest}, every default written out), cohort and split (hash {cohort}), seed "
        f"{record.resolved.get('seed')} and environment lie in the run's folder; `preceptor run resolved.yaml` repeats it"
        f"{f' with preceptor {version}' if version else ''}."
    )


def code(record: Record) -> str | None:
    """Which code made it."""
    version = record.environment.get("packages", {}).get("preceptor")
    return f"preceptor {version} (Apache-2.0), which the recipe's text drives." if version else None


def called_any(name: str) -> str:
    """What a method or an objective calls itself."""
    return called("methods", name) if name not in ("focal", "generalised_dice") else called("objectives", name)


def patches(record: Record) -> str | None:
    """Whether the network sees whole images or parts of them."""
    train = record.resolved.get("train")
    if not train:
        return None
    size = train.get("patch")
    if not size:
        return "Whole prepared images; no part is chosen."
    share = f", {train['foreground_share']:.0%} of them on a structure" if record.question.dense else ""
    text = (
        f"Patches of {' x '.join(map(str, size))} voxels drawn at random{share}; at prediction windows cover all of it."
    )
    return text.replace("%", " %")


def version(record: Record) -> str | None:
    """What identifies the model."""
    digest, made = record.evidence.facts.get("recipe"), record.environment.get("written")
    if not digest:
        return None
    name = record.resolved.get("study") or record.folder.name
    return f"{name}, recipe {digest}, cohort {record.evidence.facts.get('cohort')}{f', {made}' if made else ''}."
