"""Wrong versions that the golden tests must reject.

A mutant is a known answer's id and one edit of the source: a sign, a divisor, a missing mask. `make mutants` imports
the package with that edit in memory, runs the tests that claim the answer, and fails if they all pass. No file is
changed on disk, so mutants run beside anything else.

    python -m tests.golden [ID …]
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"


@dataclass(frozen=True)
class Mutant:
    """One wrong version.

    Args:
        answer: Id of the known answer whose tests must fail.
        module: Dotted name below ``preceptor``, such as ``maths.losses``.
        old: Text that stands in that module exactly once.
        new: What stands there in the wrong version.
    """

    answer: str
    module: str
    old: str
    new: str

    @property
    def path(self) -> Path:
        return SOURCE / "preceptor" / (self.module.replace(".", "/") + ".py")

    def source(self) -> str:
        text = self.path.read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise SystemExit(
                f"{self.answer}: {self.old!r} stands {text.count(self.old)} times in {self.module}, not once"
            )
        return text.replace(self.old, self.new)


MUTANTS: list[Mutant] = []

# Each block below belongs to one subject; a new method appends its own with `MUTANTS += [...]`.

# Explainers.
MUTANTS += [
    Mutant("I10.1", "maths.attribution", "return gradient.flatten(2).mean(2)", "return gradient.flatten(2).sum(2)"),
    Mutant("I10.1", "maths.attribution", "weights, activation).relu()", "weights, activation).abs()"),
    Mutant("I10.1", "maths.attribution", "align_corners=False)[:, 0]", "align_corners=True)[:, 0].relu()"),
    Mutant("I10.1", "prove.observing", "return kept.clone()", "return kept"),
    Mutant("I10.1", "prove.observing", "score = target(outputs).sum()", "score = target(outputs)[0]"),
    Mutant("I10.2", "maths.attribution", "gradient**3", "gradient**2"),
    Mutant("I10.2", "maths.attribution", "share * gradient.relu()", "share * gradient"),
    Mutant("I10.6", "maths.attribution", "return total / covered", "return total"),
    Mutant("I10.6", "maths.attribution", "if starts[-1] != size - width:", "if False:"),
    Mutant(
        "I10.6", "prove.explainers.occlusion", "score - target(model(tiled)).view", "score + target(model(tiled)).view"
    ),
    Mutant("I10.6", "prove.explainers.occlusion", '"minimum": flat.amin(2)', '"minimum": flat.amax(2)'),
]
MUTANTS += [
    Mutant("I12.5", "learn.fit", '        restore_generators(state["generators"])\n', ""),
    Mutant("I12.5", "learn.fit", '        self.optimizer.load_state_dict(state["optimizer"])\n', ""),
    Mutant(
        "I12.5",
        "learn.fit",
        'self.epoch, self.position, self.rate = state["epoch"], state["position"], state["rate"]',
        'self.epoch, self.rate = state["epoch"], state["rate"]',
    ),
    Mutant("I12.5", "learn.fit", '        self.methods.load_state(state["methods"])\n', ""),
]

MUTANTS += [
    Mutant(
        "I12.1", "recipe.yaml", "if isinstance(event, AliasEvent):", "if isinstance(event, AliasEvent) and path[9:]:"
    ),
    Mutant("I12.1", "recipe.yaml", "if len(path) > MOST_DEPTH:", "if len(path) > MOST_DEPTH * 100:"),
    Mutant("I12.1", "recipe.yaml", "if self.nodes > MOST_NODES:", "if self.nodes > MOST_NODES * 100:"),
    Mutant("I12.1", "recipe.yaml", "if key in mapping:", "if key in ():"),
    Mutant("I12.1", "recipe.yaml", '"yaml_tag")', '"yaml_fine")'),
    Mutant("I12.1", "recipe.yaml", "if event.style is None and event.tag is None", "if event.tag is None"),
    Mutant("I12.1", "recipe.paths", "(folder / fixed).resolve()", "(folder / fixed)"),
    Mutant("I12.1", "recipe.values", "strict=True)", "strict=False)"),
]
MUTANTS += [
    Mutant("L1.1", "maths.losses", "(probability**2, reference**2) if squared", "(probability, reference) if squared"),
    Mutant("L1.1", "maths.losses", "(2 * intersection + smoothing)", "(2 * intersection)"),
    Mutant(
        "L1.1",
        "maths.losses",
        "denominator = answered + reference + smoothing",
        "denominator = answered + reference + 1.0",
    ),
    Mutant("L1.1", "learn.objectives.dice", "if self.pooled:", "if False:"),
    Mutant("L1.2", "learn.objectives.dice", "counted[:, 0] = False", "counted[:, 0] = True"),
    Mutant(
        "L1.2", "maths.losses", '{"square": 2, "simple": 1, "uniform": 0}', '{"square": 1, "simple": 2, "uniform": 0}'
    ),
    Mutant(
        "L1.2", "maths.losses", "largest = weights.amax(1, keepdim=True)", "largest = 0 * weights.amax(1, keepdim=True)"
    ),
    Mutant(
        "L1.3", "maths.losses", "alpha * truth + (1 - alpha) * (1 - truth)", "(1 - alpha) * truth + alpha * (1 - truth)"
    ),
    Mutant("L1.3", "maths.losses", "clamp_min(1e-12) ** gamma", "clamp_min(1e-12) ** (gamma + 1)"),
    Mutant("L1.3", "maths.losses", ".clamp_min(1e-12) ** gamma", " ** gamma"),
    Mutant("L1.4", "maths.losses", 'known.sum() if divisor == "count"', 'known.sum() if divisor == "weights"'),
    Mutant("L1.4", "maths.class_weights", "weights * len(number) / weights.sum()", "weights / weights.sum()"),
    Mutant("L1.4", "maths.class_weights", "number.sum() / (len(number) * number)", "number.sum() / number"),
    Mutant("L1.4", "maths.class_weights", "(total - positives) / positives", "total / positives"),
    Mutant("L1.4", "learn.objectives.cross_entropy", 'if self.divisor == "weights" else None', "if False else None"),
    Mutant(
        "L1.5",
        "maths.losses",
        "known.reshape(len(known), -1).sum(1) if divisor",
        "torch.ones_like(known).reshape(len(known), -1).sum(1) if divisor",
    ),
    Mutant("L1.5", "maths.losses", "logits, torch.where(known, target, 0.0), pos_weight", "logits, target, pos_weight"),
    Mutant("L1.5", "maths.losses", "return losses * known\n\n\ndef mean_over", "return losses\n\n\ndef mean_over"),
    Mutant("L1.5", "maths.losses", "per_label.sum() / (count > 0).sum().clamp_min(1)", "per_label.mean()"),
    Mutant("L2.1", "maths.evidential", "truth + (1 - truth) * alpha", "alpha"),
    Mutant("L2.1", "maths.evidential", "- math.lgamma(alpha.shape[1])", ""),
    Mutant("L2.1", "maths.evidential", "mean * (1 - mean) / (total + 1)", "mean * (1 - mean) / total"),
    Mutant("L2.1", "maths.evidential", "alpha.shape[1] / alpha.sum(1)", "1 / alpha.sum(1)"),
    Mutant("L2.1", "learn.objectives.evidential", "min(1.0, self.progress / self.annealing)", "1.0"),
    Mutant("L5.1", "maths.fusion", "(number - 1).clamp_min(1)", "number.clamp_min(1)"),
    Mutant("L5.1", "maths.fusion", "kept = torch.where(mask, features, 0.0)", "kept = features * mask"),
    Mutant("L5.1", "maths.fusion", "torch.where(mask, kept - mean, 0.0)", "kept - mean"),
    Mutant("L5.1", "learn.views", "        if self.training:\n", "        if False:\n"),
    Mutant("L5.2", "learn.methods.auxiliary_outputs", "if name in step.batch.present:", "if False:"),
    Mutant("L5.2", "learn.methods.auxiliary_outputs", "else self.weight\n", "else self.weight / 2\n"),
    Mutant("L5.2", "maths.fusion", "present[..., None], features, absent", "~present[..., None], features, absent"),
    Mutant("I8.1", "learn.networks.resnet", "50: (3, 4, 6, 3)", "50: (3, 4, 5, 3)"),
    Mutant("I8.1", "learn.networks.resnet", "leaving, 1, stride, bias=False", "leaving, 1, stride, bias=True"),
    Mutant(
        "I8.1",
        "learn.networks.densenet121",
        "channels, channels // 2, 1, bias=False",
        "channels, channels // 2, 1, bias=True",
    ),
    Mutant("I8.1", "learn.networks.unet", 'bias = norm == "none"', "bias = False"),
    Mutant("I8.1", "maths.first_layer", "weight.sum(1, keepdim=True)", "weight.mean(1, keepdim=True)"),
    Mutant("I8.2", "maths.unet_sizes", "side = 2 * side - lost", "side = 2 * side"),
    Mutant(
        "I8.2",
        "learn.networks.unet",
        'if padding == "same" else 0\n        bias',
        'if padding == "valid" else 0\n        bias',
    ),
    Mutant("I8.2", "learn.networks.unet", "before = (wide -", "before = 2 + (wide -"),
    Mutant("L11.3", "learn.networks.resnet", "self.drop = nn.Dropout(dropout)", "self.drop = nn.AlphaDropout(dropout)"),
    Mutant(
        "L11.3",
        "learn.networks.densenet121",
        "self.drop(self.pooled(self.features(image)))",
        "nn.functional.dropout(self.pooled(self.features(image)), self.dropout)",
    ),
    Mutant("L11.3", "learn.networks.cnn", "self.answer(self.drop(", "self.answer(("),
]
MUTANTS += [
    Mutant("L6.1", "maths.adaptation", "return -context.strength * gradient", "return context.strength * gradient"),
    Mutant("L6.1", "maths.adaptation", "return features.view_as(features)", "return -features"),
    Mutant(
        "L6.1",
        "maths.adaptation",
        "2 / (1 + math.exp(-steepness * progress)) - 1",
        "1 / (1 + math.exp(-steepness * progress))",
    ),
    Mutant("L6.1", "maths.adaptation", "** 0.75", "** 0.5"),
    Mutant(
        "L6.1", "learn.methods.gradient_reversal", "(reverse_gradient(features[known], reverse))", "(features[known])"
    ),
    Mutant("L6.1", "learn.methods.gradient_reversal", "known = domain >= 0", "known = domain >= -1"),
    Mutant(
        "L7.1", "learn.methods.right_reasons", "create_graph=True, allow_unused", "create_graph=False, allow_unused"
    ),
    Mutant("L7.1", "learn.methods.right_reasons", 'self.marks == "allowed"', 'self.marks == "forbidden"'),
    Mutant("L7.1", "learn.methods.right_reasons", "(each * there).mean()", "(each * there).sum()"),
    Mutant(
        "L7.1",
        "maths.explanation_penalties",
        "(gradients * forbidden[:, None]) ** 2",
        "(gradients * forbidden[:, None]).abs()",
    ),
    Mutant("L7.1", "maths.explanation_penalties", "return (forbidden & has_mask).float()", "return forbidden.float()"),
    Mutant("L7.1", "maths.explanation_penalties", "functional.log_softmax(logits, 1)", "functional.softmax(logits, 1)"),
    Mutant("L8.1", "maths.fairness", "probability[inside].mean()\n", "probability[inside].mean().detach()\n"),
    Mutant("L8.1", "maths.fairness", "known = group >= 0\n    total", "known = group >= -1\n    total"),
    Mutant("L8.1", "maths.fairness", "torch.where(truth == 1, 0, -1)", "torch.where(truth == 1, 0, 1)"),
    Mutant("L8.1", "maths.fairness", "return high - low, low / high", "return high - low, high / low"),
    Mutant(
        "L8.1",
        "learn.methods.demographic_parity",
        "return self.weight * torch.stack(per_class).sum()",
        "return torch.stack(per_class).sum()",
    ),
    Mutant("L8.1", "learn.groups", 'position.get(_name(value) or "", -1)', 'position.get(_name(value) or "", 0)'),
    Mutant(
        "L11.1",
        "learn.methods.transfer",
        "                module.training = False",
        "                module.training = True",
    ),
    Mutant(
        "L11.1",
        "learn.methods.transfer",
        "                parameter.requires_grad_(False)",
        "                parameter.requires_grad_(True)",
    ),
    Mutant("L11.1", "learn.methods.transfer", "Directive(rebuild_optimizer=True", "Directive(rebuild_optimizer=False"),
    Mutant(
        "L11.1",
        "learn.methods.transfer",
        "            state[name] = given.to(tensor.dtype)",
        "            given.to(tensor.dtype)",
    ),
    Mutant("L11.2", "maths.stopping", "signed > best_score + least_gain", "signed > best_score"),
    Mutant("L11.2", "maths.stopping", "score if higher_is_better else -score", "-score"),
    Mutant("L11.2", "learn.methods.early_stopping", "waited >= self.patience", "waited > self.patience"),
    Mutant(
        "L11.2",
        "learn.methods.early_stopping",
        "        if end.score is None:\n            return None\n        self.scores.append(end.score)",
        "        self.scores.append(end.score or 1.0)",
    ),
    Mutant("L11.2", "learn.methods.early_stopping", '[float(score) for score in state["scores"]]', "[]"),
]

# Intake: series by their geometry, hostile headers, splits that leak.
MUTANTS += [
    Mutant("I1.1", "intake.dicom.stack", "np.diag([-1.0, -1.0, 1.0, 1.0])", "np.diag([1.0, -1.0, 1.0, 1.0])"),
    Mutant("I1.1", "intake.dicom.stack", "along = positions @ normal", "along = -positions @ normal"),
    Mutant("I1.1", "intake.dicom.stack", "/ (len(places) - 1)", "/ len(places)"),
    Mutant("I1.2", "intake.dicom.stack", "_EVEN = 0.05", "_EVEN = 0.5"),
    Mutant("I1.2", "intake.dicom.stack", "_SHEAR_DEGREES = 0.5", "_SHEAR_DEGREES = 50.0"),
    Mutant("I1.2", "intake.dicom.stack", "first.orientation).max() > 1e-3", "first.orientation).max() > 3"),
    Mutant("I1.2", "intake.dicom.stack", "first.spacing_mm, rtol=1e-4", "first.spacing_mm, rtol=1"),
    Mutant("I1.2", "intake.dicom.stack", "    if len(counts) == 1:", "    if not counts:"),
    Mutant("I1.2", "intake.dicom.stack", "usual > 1.5 * thick", "usual > 150 * thick"),
    Mutant("I1.2", "intake.dicom.series", '"LOCALIZER" in', '"SCOUT" in'),
    Mutant("I1.2", "intake.dicom.file", "or plane.slope != 1:", "or plane.slope < 0:"),
    Mutant("I12.3", "intake.limits", "if any(size < 1 for", "if any(size < -9 for"),
    Mutant("I12.3", "intake.limits", "    if declared > stored:", "    if declared > stored + 10**15:"),
    Mutant("I12.3", "intake.limits", "PLAUSIBLE_RATIO = 100", "PLAUSIBLE_RATIO = 10**9"),
    Mutant("I12.3", "intake.nifti", "(np.isfinite(spacing).all() and (spacing > 0).all())", "not (spacing <= 0).any()"),
    Mutant("I12.3", "intake.dicom.file", "        check_deflated(path)\n", ""),
    Mutant("L14.6", "core.cohort", "return self.group or self.patient or self.key", "return self.group or self.key"),
    Mutant("L14.6", "intake.split", "in named.items() if number > 1}", "in named.items() if number > 10}"),
]

# Statistics, calibration and uncertainty.
MUTANTS += [
    Mutant("L3.5", "maths.uncertainty", "total = entropy(members.mean(0))", "total = entropy(members).max(0)"),
    Mutant(
        "L3.5", "maths.uncertainty", "return -np.sum(probability * np.log(", "return -np.sum(probability * np.log2("
    ),
    Mutant(
        "L3.5", "maths.uncertainty", "members = np.stack([1 - members, members], -1)", "members = members[..., None]"
    ),
    Mutant(
        "L3.8",
        "maths.calibration",
        "scaled = logits * np.exp(-log_temperature)",
        "scaled = logits * np.exp(log_temperature)",
    ),
    Mutant("L3.8", "maths.calibration", "known = truth >= 0", "known = truth >= -1"),
    Mutant("L3.8", "maths.calibration", "TEMPERATURES = (0.05, 20.0)", "TEMPERATURES = (1e-9, 20.0)"),
    Mutant(
        "L3.8",
        "maths.calibration",
        "sign = logit(probability[known]), 2 * truth[known] - 1",
        "sign = logit(probability[known]), truth[known]",
    ),
    Mutant(
        "L3.8",
        "prove.safeguards.temperature",
        "torch.softmax(kept.log() / self.temperature, 1)",
        "torch.softmax(kept / self.temperature, 1)",
    ),
    Mutant("L3.8", "prove.safeguards.temperature", "torch.log1p(-probability.clamp_max(1 - 1e-7))", "0"),
    Mutant("L3.9", "maths.conformal", "(len(size) + 1) * coverage", "len(size) * coverage"),
    Mutant("L3.9", "maths.conformal", "1 / size[member[order]]", "1 / size[member[order]] ** 0"),
    Mutant("L3.9", "maths.conformal", "<= quantile", "< quantile"),
    Mutant("L3.9", "maths.conformal", "np.argsort(-probability, axis=1", "np.argsort(probability, axis=1"),
    Mutant(
        "L3.9",
        "maths.conformal",
        "scores - np.asarray(uniform)[:, None] * probability",
        "scores - np.asarray(uniform)[:, None]",
    ),
    Mutant("L14.1", "maths.overlap", "_ratio(2 * counts.both, counts.truth", "_ratio(counts.both, counts.truth"),
    Mutant("L14.1", "maths.overlap", "counts.truth + counts.answer - counts.both)", "counts.truth + counts.answer)"),
    Mutant("L14.1", "maths.overlap", "known = truth >= 0", "known = truth >= -1"),
    Mutant("L14.1", "maths.surface", "return mask & ~inside", "return mask.copy()"),
    Mutant(
        "L14.1",
        "maths.surface",
        "max(np.percentile(self.forth, percent), np.percentile(self.back, percent))",
        "np.percentile(self.forth, percent)",
    ),
    Mutant("L14.1", "maths.surface", "zip(places, spacing, strict=True)", "zip(places, spacing[::-1], strict=True)"),
    Mutant("L14.1", "maths.surface", "if not ours.any() or not theirs.any():", "if not ours.any():"),
    Mutant("L14.2", "maths.roc", 'after = np.searchsorted(score[negative], score[positive], "right")', "after = first"),
    Mutant("L14.2", "maths.roc", 'np.searchsorted(negative, positive, "left") + np', "2 * np"),
    Mutant("L14.2", "maths.roc", "np.diff(score) != 0, True))\n    hits", "np.diff(score) != 2, True))\n    hits"),
    Mutant("L14.2", "maths.roc", "            if ends[row]:", "            if True:"),
    Mutant(
        "L14.5",
        "maths.intervals",
        "np.unique(given, return_inverse=True)",
        "np.unique(np.arange(given.size), return_inverse=True)",
    ),
    Mutant(
        "L14.5",
        "maths.intervals",
        "integers(0, size, size=(size, columns)",
        "integers(0, size, size=(size // 2, columns)",
    ),
    Mutant("L14.6", "prove.gates.no_leak", '_LEAKS = ("leaked_patients", ', "_LEAKS = ("),
    Mutant("L14.6", "prove.gates.no_leak", "if not found:", "if found:"),
    Mutant("L14.7", "maths.calibration", "np.asarray(probability).astype(np.float32)", "np.asarray(probability)"),
    Mutant(
        "L14.7",
        "maths.calibration",
        "edges = (np.arange(bins + 1) / bins).astype(np.float32)",
        "edges = np.arange(bins + 1) / bins",
    ),
    Mutant("L14.7", "maths.calibration", "np.average(gap, weights=points.count[filled])", "np.average(gap)"),
    Mutant("L14.7", "maths.calibration", "share @ (observed - prevalence) ** 2", "share @ (values - prevalence) ** 2"),
    Mutant("L14.7", "maths.calibration", "len(part) * share * (1 - share)", "len(part) * share"),
    Mutant(
        "L14.7",
        "maths.calibration",
        "np.asarray(truth, dtype=np.float64), logit(probability))",
        "np.asarray(truth, dtype=np.float64), np.zeros(len(truth)))",
    ),
    Mutant(
        "L14.7",
        "maths.calibration",
        'slope if part == "slope" else intercept',
        'intercept if part == "slope" else slope',
    ),
    Mutant("L14.14", "maths.intervals", "share + z**2 / (2 * trials)", "share"),
    Mutant(
        "L14.14",
        "maths.intervals",
        "betaincinv(successes, trials - successes + 1, tail)",
        "betaincinv(successes + 1, trials - successes, tail)",
    ),
]

# Phantoms and cohort checks.
MUTANTS += [
    Mutant("I7.1", "maths.phantom_heads", '"AD": (0.05, 0.85, 0.10)', '"AD": (0.0, 0.90, 0.10)'),
    Mutant(
        "I7.1",
        "maths.phantom_heads",
        "_SMALL = ((False, False), (False, True), (True, False))",
        "_SMALL = ((False, False), (True, False), (False, True))",
    ),
    Mutant(
        "I7.1",
        "maths.phantom_heads",
        "return (1 + float(np.mean(np.asarray(patients) != 0))) / 2",
        "return float(np.mean(np.asarray(patients) != 0))",
    ),
    Mutant("I7.1", "maths.phantom_heads", "1 - by\n", "by\n"),
    Mutant("I12.9", "intake.copies.duplicates", "SAME_PICTURE = 0.98", "SAME_PICTURE = 0.92"),
    Mutant(
        "I12.9",
        "intake.copies.duplicates",
        "np.nonzero(np.abs(likeness) > same_picture)",
        "np.nonzero(likeness > same_picture)",
    ),
    Mutant("I12.9", "intake.copies.duplicates", "rows - rows.mean(axis=1, keepdims=True)", "rows"),
    Mutant("I12.9", "intake.copies.duplicates", "for quarter in range(4):", "for quarter in range(1):"),
    Mutant("I12.9", "intake.copies.duplicates", "while leader.get(cluster, cluster) != cluster:", "while False:"),
    Mutant("I12.9", "intake.checks.duplicates", "    if len(sides) > 1:", "    if len(sides) > 2:"),
]

# Files that run nothing, and are whole or not there.
MUTANTS += [
    Mutant("I12.2", "intake.array", 'if dtype.kind not in "biuf"', 'if dtype.kind not in "biufO"'),
    Mutant("I12.2", "prove.explaining.explanation", "allow_pickle=False", "allow_pickle=True"),
    Mutant(
        "I12.2",
        "core.files",
        """        _refuse_impossible_header(path)
        if digest_file(path) != expected:
            raise _damaged(path, "its bytes are not those that were written")
        return load_file(path), record
""",
        """        import io, torch
        return torch.load(io.BytesIO(path.read_bytes()), weights_only=False), record
""",
    ),
    Mutant("I12.6", "core.files", "            _flush(aside)\n", "            pass\n"),
    Mutant("I12.6", "core.files", "            _flush(path.parent)\n", "            pass\n"),
    Mutant(
        "I12.6",
        "core.files",
        "        aside.replace(path)\n        if durable:\n            _flush(path.parent)\n",
        "        path.write_bytes(aside.read_bytes())\n",
    ),
    Mutant("I12.6", "core.files", "        aside.unlink(missing_ok=True)\n", "        pass\n"),
    Mutant("I12.6", "core.files", "        if digest_file(path) != expected:", "        if False:"),
    Mutant("I12.6", "learn.checkpoint", "place = min(_PLACES", "place = max(_PLACES"),
    Mutant("I12.6", "learn.checkpoint", "reverse=True)", "reverse=False)"),
    Mutant("I12.6", "deliver.container", "    if digest != stated.decode():", "    if False:"),
]

# Preparation and augmentation.
MUTANTS += [
    Mutant("I5.1", "maths.display_window", "div_(width).clamp_(0, 1)", "div_(width - 1).clamp_(0, 1)"),
    Mutant("I5.1", "maths.display_window", "div_(width).clamp_(0, 1)", "div_(width).clamp_(0)"),
    Mutant("I5.1", "prepare.transforms.window", "shown[values == float(value)] = 0.0", "pass"),
    Mutant("I5.2", "maths.geometry", "matrix[:-1, -1] = (ratio - 1) / 2", "matrix[:-1, -1] = 0"),
    Mutant("I5.2", "maths.geometry", "math.ceil(round(size / each, 6))", "round(size / each)"),
    Mutant("I5.2", "maths.resampling", "np.floor(place) + 0.5, np.rint(place)", "np.floor(place), np.rint(place)"),
    Mutant("I5.2", "maths.resampling", "(votes > most - 1e-4) & odd", "(votes > most - 1e-4)"),
    Mutant("I5.2", "maths.resampling", "rise *= weight", "rise *= 1 - weight"),
    Mutant("I5.2", "maths.resampling", "reach = 0.5 + np.abs(row).sum() / 2 - 1e-6", "reach = 0.0"),
    Mutant(
        "I5.6",
        "maths.intensity_scale",
        ".square_().sum(dtype=torch.float64)) / values.numel()",
        ".square_().sum(dtype=torch.float64)) / (values.numel() - 1)",
    ),
    Mutant(
        "I5.6",
        "prepare.region",
        '"positive": lambda channel: channel > 0,',
        '"positive": lambda channel: channel > -1e9,',
    ),
    Mutant("I5.6", "maths.intensity_scale", "if spread > 1e-6 * max(abs(middle), 1e-30):", "if True:"),
    Mutant(
        "I6.1",
        "maths.folding",
        'ndimage.gaussian_filter(field, sigma, mode="constant")',
        "ndimage.gaussian_filter(field, sigma)",
    ),
    Mutant(
        "I6.1",
        "maths.folding",
        "jacobian_determinant(control, shape).min() <= 0",
        "jacobian_determinant(control, shape).min() <= -9",
    ),
    Mutant("I6.1", "maths.folding", "- slope(0, 1) * slope(1, 0)", "+ slope(0, 1) * slope(1, 0)"),
    Mutant("I6.1", "maths.warps", "whole = places.round()", "whole = places.floor()"),
    Mutant(
        "I6.1",
        "maths.warps",
        "_scaled(places[0], size[0], first[0], grid[1])",
        "_scaled(places[0], size[0], 0, grid[1])",
    ),
    Mutant("I6.2", "maths.geometry", "matrix[axis, -1] = shape[axis] - 1", "matrix[axis, -1] = shape[axis]"),
    Mutant("I6.2", "prepare.compose", "matrix=first.matrix @ then.matrix", "matrix=then.matrix"),
    Mutant(
        "I6.2",
        "prepare.compose",
        "pending = applied if pending is None else compose(pending, applied, sample.reference.shape)",
        "sample = apply_spatial(sample, applied)",
    ),
    Mutant("I6.2", "maths.resampling", "here = array.shape[1 + new] - 1 - here", "here = array.shape[1 + new] - here"),
    Mutant("I6.3", "prepare.sides", "found[value] = by_name[partner]", "pass"),
    Mutant("I6.3", "prepare.sides", "if partner not in by_name:", "if partner is None:"),
    Mutant("I6.3", "prepare.transforms.flip", "if anatomical == _anatomical(name):", "if axis == _anatomical(name):"),
    Mutant(
        "I6.3", "prepare.transforms.flip", "return any(axes[axis][0] == 0 for axis in turned)", "return 0 in turned"
    ),
    Mutant("I6.3", "prepare.transforms.flip", "return not has_sides(question)", "return True"),
    Mutant("I6.3", "prepare.transforms.flip", "            refuse_side_labels(sample)\n", ""),
    Mutant("I6.4", "prepare.decided", "np.random.SeedSequence(list(key))", "np.random.SeedSequence(list(key)[:-1])"),
    Mutant(
        "I6.4",
        "prepare.examples",
        "rng = generator(told.seed, told.epoch, self._numbers[told.case], told.draw)",
        "rng = np.random.default_rng()",
    ),
    Mutant(
        "I6.4",
        "prepare.examples",
        "generator(told.seed, told.epoch, self._numbers",
        "generator(told.seed, 0, self._numbers",
    ),
    Mutant("I6.4", "prepare.examples", "self._numbers[told.case], told.draw)", "self._numbers[told.case], 0)"),
    Mutant("I6.4", "prepare.loader", "self._plan[:] = mine", "self._plan[:] = self._plan or mine"),
]
MUTANTS += [
    Mutant("L3.7", "maths.uncertainty", "total - aleatoric)", "aleatoric - total)"),
    Mutant(
        "L3.7",
        "learn.predict",
        "            for module in self._dropouts:\n                module.training = True",
        "            for module in self._network.modules():\n                module.training = True",
    ),
    Mutant(
        "L3.7", "learn.predict", "                module.training = True\n", "                module.training = False\n"
    ),
    Mutant("L3.7", "learn.predict", "SeedSequence([self._pass.index, self._index, number])", "SeedSequence()"),
]
MUTANTS += [
    Mutant("L14.3", "maths.comparison", "- 2 * covariance[0, 1]", ""),
    Mutant("L14.3", "maths.comparison", "np.cov(over_negatives) /", "np.cov(over_negatives, bias=True) /"),
    Mutant("L14.3", "maths.comparison", "+ 0.5 * (positive[:, None] == negative)", ""),
    Mutant("L14.3", "maths.comparison", "if variance > 1e-15 else", "if variance > -1 else"),
    Mutant("L14.4", "maths.comparison", "2 * float(bdtr(", "float(bdtr("),
    Mutant("L14.4", "maths.comparison", "exact - at", "exact - at / 2"),
    Mutant("L14.4", "maths.comparison", "max(gap - 1, 0)", "gap"),
    Mutant("L14.8", "maths.comparison", "threshold / (1 - threshold))", "threshold)"),
    Mutant("L14.8", "maths.comparison", "np.asarray(probability) >= threshold", "np.asarray(probability) > threshold"),
    Mutant("L14.14", "maths.comparison", "np.maximum.accumulate(p[order]", "(p[order]"),
    Mutant("L14.14", "maths.comparison", "len(p) / (1 + np.arange(len(p)))", "len(p) / (2 + np.arange(len(p)))"),
    Mutant("L14.14", "maths.comparison", "adjusted[order] = ordered", "adjusted[:] = ordered"),
]

# Pictures that lie differently.
MUTANTS += [
    Mutant(
        "I11.2",
        "intake.orientation",
        '"upside down": lambda stack: stack[:, :, ::-1]',
        '"upside down": lambda stack: stack[:, ::-1]',
    ),
    Mutant("I11.2", "intake.orientation", "_RECOGNISED, _ODD = 0.85, 0.15", "_RECOGNISED, _ODD = 0.0, 1.0"),
    Mutant("I11.2", "intake.orientation", "CHANGES[_BACK.get(name, name)](coarse)", "coarse"),
    Mutant("I11.2", "intake.checks.odd_images", "spread < self.blank * 255", "spread < self.blank"),
]

# Gaps between groups of people.
MUTANTS += [
    Mutant("L8.1", "maths.group_fairness", '"true_positive": Rate(said & (truth == 1)', '"true_positive": Rate(said'),
    Mutant("L8.1", "maths.group_fairness", "answered & (truth == 0))", "answered)"),
    Mutant("L8.1", "maths.group_fairness", "values[highest] - values[lowest]", "values[highest] / values[lowest]"),
    Mutant("L8.1", "maths.group_fairness", '("true_positive", "false_positive")', '("true_positive",)'),
]

# Time to an event.
MUTANTS += [
    Mutant("L4.2", "maths.concordance", "~np.asarray(event, dtype=bool), return_inverse", "0, return_inverse"),
    Mutant("L4.2", "maths.concordance", "0.5 * (passed[first] + passed[last])", "passed[first]"),
    Mutant(
        "L4.2",
        "maths.concordance",
        "np.divide(1.0, remaining**2, out=np.zeros(len(time))",
        "np.divide(1.0, remaining, out=np.zeros(len(time))",
    ),
    Mutant("L4.2", "maths.concordance", "remaining = curve[moment]", "remaining = curve[moment + 1]"),
    Mutant("L4.2", "maths.concordance", "                found /= 2\n", ""),
    Mutant("L4.3", "maths.survival_curves", "* np.exp(-largest)", ""),
    Mutant("L4.3", "maths.survival_curves", "np.cumsum(ended[::-1], axis=0)[::-1]", "np.cumsum(ended, axis=0)"),
    Mutant(
        "L4.3", "maths.survival_curves", "(self.censored, self.at_risk - self.events)", "(self.censored, self.at_risk)"
    ),
    Mutant("L4.7", "maths.concordance", "still = key >= key[asks].min()", "still = key > key[asks].min()"),
    Mutant(
        "L4.7",
        "maths.concordance",
        'column = np.searchsorted(times, time, "right")\n    curve',
        'column = np.searchsorted(times, time, "left")\n    curve',
    ),
    Mutant("L4.8", "maths.survival_measures", "survival**2, 0.0)", "(1 - survival) ** 2, 0.0)"),
    Mutant(
        "L4.8",
        "maths.survival_measures",
        'curve[moment[gone]], curve[np.searchsorted(moments, at, "right")]',
        "curve[moment[gone]], 1.0",
    ),
    Mutant(
        "L4.8", "maths.survival_measures", "/ drawn.sum(0)\n    ", "/ (drawn[gone].sum(0) + drawn[still].sum(0))\n    "
    ),
    Mutant("L4.9", "maths.survival_measures", "drawn[gone] / before, 0.0)", "drawn[gone], 0.0)"),
    Mutant("L4.9", "maths.survival_measures", "0.5 * (np.einsum", "(np.einsum"),
]

# Recalibration, and photographs of X-rays.
MUTANTS += [
    Mutant("P3.2", "maths.recalibration", "np.stack([odds, np.ones(len(odds))], 1)", "odds[:, None] * [1, 1e-9]"),
    Mutant("P3.2", "maths.recalibration", "line.slope, np.array([0.0, line.intercept])", "line.slope, np.zeros(2)"),
    Mutant(
        "P3.2",
        "prove.safeguards.affine",
        "scale * probability.clamp_min(FLOOR).log() + offset",
        "scale * probability.clamp_min(FLOOR).log() - offset",
    ),
    Mutant("P3.2", "prove.safeguards.platt", "no.clamp_min(FLOOR).log()) + intercept", "no.clamp_min(FLOOR).log())"),
    Mutant(
        "P3.2", "prove.safeguards.beta", "- b * no.clamp_min(FLOOR).log() + c", "+ b * no.clamp_min(FLOOR).log() + c"
    ),
    Mutant("P3.2", "maths.recalibration", "np.bincount(place, target) / count", "np.bincount(place, target)"),
    Mutant(
        "P3.2",
        "maths.recalibration",
        "np.stack([odds, np.ones(len(odds))], 1), target,",
        "np.stack([odds, np.ones(len(odds))], 1), 2 * target - 1,",
    ),
    Mutant("I11.1", "prove.calibrating", "labelled < max(least, 1)", "labelled < 1"),
    Mutant("I11.1", "prove.safeguards.affine", "if each <= 0:", "if False:"),
    Mutant(
        "I11.1",
        "prove.safeguards.affine",
        "scale * probability.clamp_min(FLOOR).log() + offset",
        "scale * probability.clamp_min(FLOOR).log()",
    ),
]

# Groups drawn as if independent of the class, and the worst-off raised.
MUTANTS += [
    Mutant("L8.2", "maths.group_weights", "of_group * of_class / (number", "of_group * of_class / (len(group)"),
    Mutant("L8.2", "maths.group_weights", "known & (group == each) & (truth == one)", "known & (group == each)"),
    Mutant("L8.2", "learn.methods.reweighing", "share * weight[case]", "share * np.sqrt(weight[case])"),
    Mutant("L8.3", "maths.group_weights", "share * torch.exp(rate *", "share * torch.exp(-rate *"),
    Mutant("L8.3", "maths.group_weights", "return raised / raised.sum()", "return raised"),
    Mutant("L8.3", "learn.methods.group_dro", "here.sum() / here.clamp", "1.0 / here.clamp"),
    Mutant("L8.3", "learn.methods.group_dro", "counts * losses)", "losses)"),
    Mutant("L8.3", "learn.methods.group_dro", "field * self.classes + target", "field + target"),
]

# Readers: agreement, intraclass correlation, several readers of several cases.
MUTANTS += [
    Mutant("L14.9", "maths.agreement", '"linear": 1 - distance, ', '"linear": 1 - distance**2, '),
    Mutant("L14.9", "maths.agreement", "np.outer(rows, columns)).sum()", "np.outer(rows, rows)).sum()"),
    Mutant("L14.9", "maths.agreement", "(counts * (counts - 1)).sum(1)", "(counts * counts).sum(1)"),
    Mutant("L14.9", "maths.agreement", "used = counts.mean(0) / total", "used = counts.mean(0) / counts.mean(0).max()"),
    Mutant("L14.9", "maths.agreement", "dtype=np.int64) * categories + np", "dtype=np.int64) + categories * np"),
    Mutant("L14.10", "maths.agreement", "raters * (squares.raters - noise) / subjects", "(squares.raters - noise)"),
    Mutant(
        "L14.10",
        "maths.agreement",
        'noise = squares.within if form[0] == "1"',
        'noise = squares.within if form[0] == "3"',
    ),
    Mutant("L14.10", "maths.agreement", "(subjects - (form[0] == ", "(subjects - (form[0] != "),
    Mutant("L14.10", "maths.agreement", "across / (raters - 1)", "across / raters"),
    Mutant("L14.10", "maths.agreement", 'if form[-1] == "k":', 'if form[-1] == "1":'),
    Mutant("L14.10", "maths.agreement", "raters * single * (subjects - 1) /", "raters * single /"),
    Mutant(
        "L14.11",
        "maths.reader_study",
        "shared = readers * max(second - third, 0.0)",
        "shared = readers * (second - third)",
    ),
    Mutant(
        "L14.11",
        "maths.reader_study",
        "shared = readers * max(second - third, 0.0)",
        "shared = max(second - third, 0.0)",
    ),
    Mutant("L14.11", "maths.reader_study", "both**2 / (interaction**2 / cells)", "float(cells)"),
    Mutant(
        "L14.11",
        "maths.reader_study",
        "same_test & ~same_reader, ~same_test & ~",
        "~same_test & ~same_reader, same_test & ~",
    ),
    Mutant("L14.11", "maths.reader_study", "centred * (len(flat) - 1) / len(flat)", "centred / (len(flat) - 1)"),
    Mutant("L14.11", "maths.reader_study", "variance - first + (readers - 1)", "variance - first + readers"),
    Mutant("L14.11", "maths.reader_study", "(high > low) + 0.5 * (high == low)", "(high > low) + 1.0 * (high == low)"),
    Mutant("L14.11", "maths.reader_study", "max(of_case - of_both, 0.0))", "of_case - of_both)"),
]

# Spread over seeds.
MUTANTS += [
    Mutant("L14.13", "maths.seeds", "given.std(ddof=1)", "given.std(ddof=0)"),
    Mutant("L14.13", "maths.seeds", "deviation / np.sqrt(number)", "deviation"),
    Mutant("L14.13", "maths.seeds", "stdtrit(number - 1, (1 + level) / 2)", "stdtrit(number, (1 + level) / 2)"),
    Mutant(
        "L14.13",
        "maths.seeds",
        "2 * stdtr(found.number - 1, -abs(statistic))",
        "stdtr(found.number - 1, -abs(statistic))",
    ),
    Mutant(
        "L14.13",
        "maths.seeds",
        "np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)",
        "np.asarray(first, dtype=np.float64) - np.mean(second)",
    ),
]

# Detection.
MUTANTS += [
    Mutant(
        "L14.12", "maths.detection", "    hit = marks.lesion >= 0\n    best", "    hit = marks.lesion > 0\n    best"
    ),
    Mutant("L14.12", "maths.detection", "/ marks.images)", "/ len(np.unique(marks.lesion_image)))"),
    Mutant("L14.12", "maths.detection", "np.maximum.at(best", "np.minimum.at(best"),
    Mutant("L14.12", "maths.detection", "alarms <= rate", "alarms < 2 * rate"),
]
# Attributions: paths, reference differences, relevance, Shapley values.
MUTANTS += [
    Mutant("I10.3", "prove.explainers.integrated_gradients", "+ 0.5) / self.steps", "+ 1.0) / self.steps"),
    Mutant(
        "I10.3",
        "prove.explainers.integrated_gradients",
        "(total[view] / self.steps * (image - baseline[view]))",
        "(total[view] / self.steps * image.abs())",
    ),
    Mutant("I10.3", "prove.explaining.contributing", "Rescaling(before.seen)", "None"),
    Mutant("I10.3", "maths.propagation", "torch.where(steady, slope, moved", "torch.where(steady, slope, slope"),
    Mutant("I10.3", "maths.propagation", "width * (now + then) / 2", "0 * (now + then) / 2"),
    Mutant(
        "I10.3",
        "maths.propagation",
        "back(relevance / _away(contributions, ctx.epsilon))",
        "back(relevance / _away(value, ctx.epsilon))",
    ),
    Mutant("I10.3", "maths.propagation", "_away(plain + ctx.gamma * favoured", "_away(plain + favoured"),
    Mutant("I10.3", "maths.propagation", "gradients[0].clamp(min=0) * passed", "gradients[0] * passed"),
    Mutant("I10.3", "maths.propagation", "ctx.save_for_backward(image > 0)", "ctx.save_for_backward(image == image)"),
    Mutant("I10.4", "maths.shapley", "values[without + 2**player] - values[without]", "values[without + 2**player]"),
    Mutant(
        "I10.4",
        "maths.shapley",
        "factorial(s) * factorial(players - s - 1) / factorial(players)",
        "2.0 ** (1 - players)",
    ),
    Mutant("I10.4", "maths.shapley", "(players - 1) / (comb(players, int(s)) * s * (players - s))", "1.0"),
    Mutant("I10.4", "maths.shapley", "np.concatenate([rows, ~rows])", "np.concatenate([rows, rows])"),
    Mutant("I10.4", "prove.explainers.kernel_shap", "/ sizes[:, None]", "/ 1"),
]

# Several answers made one.
MUTANTS += [
    Mutant("L3.1", "maths.ensembles", 'logs.sum(0) if rule == "product" else logs.mean(0)', "logs.mean(0)"),
    Mutant("L3.1", "maths.ensembles", "np.log(np.maximum(members, _FLOOR))", "np.log(members)"),
    Mutant(
        "L3.1", "maths.ensembles", "[members.argmax(-1)]", "[members.shape[-1] - 1 - members[..., ::-1].argmax(-1)]"
    ),
    Mutant("L3.1", "maths.ensembles", "np.log(accuracy / (1 - accuracy))", "np.log(accuracy)"),
    Mutant(
        "L3.2",
        "maths.ensembles",
        "generator.integers(0, member.max() + 1, member.max() + 1)",
        "generator.permutation(member.max() + 1)",
    ),
    Mutant("L3.2", "maths.ensembles", "1 - (1 - 1 / number) ** number", "1 - (1 - 1 / number)"),
    Mutant(
        "L3.2",
        "maths.ensembles",
        "_, member = np.unique(np.asarray(clusters), return_inverse=True)",
        "member = np.arange(len(clusters))",
    ),
    Mutant("L3.3", "maths.ensembles", " + np.log(classes - 1)", ""),
    Mutant("L3.3", "maths.ensembles", "say * wrong", "say * ~wrong"),
    Mutant("L3.3", "maths.ensembles", "error >= 1 - 1 / classes", "error > 1"),
    Mutant("L3.3", "maths.ensembles", "kept = max(error, _FLOOR)", "kept = error"),
    Mutant("L3.4", "maths.ensembles", "distance / (2 * variance)", "distance / variance"),
    Mutant("L3.4", "maths.ensembles", ".logsumexp(-1)", ".exp().sum(-1).add(1e-12).log()"),
    Mutant("L3.4", "maths.ensembles", "logits < least", "logits <= least"),
    Mutant("L3.6", "maths.uncertainty", "mean.var(0)", "mean.var(0, ddof=1)"),
    Mutant("L3.6", "maths.losses", "(truth - mean) ** 2 / variance) / 2", "(truth - mean) ** 2 / variance)"),
    Mutant("L3.6", "learn.objectives.gaussian", "variance * self.scale**2", "variance * self.scale"),
]

MUTANTS += [
    Mutant(
        "I5.5",
        "prepare.registration",
        "np.linalg.inv(frames[0]) @ matrix_itk @ frames[1]",
        "np.linalg.inv(frames[0]) @ np.linalg.inv(matrix_itk) @ frames[1]",
    ),
    Mutant("I5.5", "prepare.registration", "image.array[0].T, dtype", "image.array[0][::-1].T, dtype"),
    Mutant("P1.11", "prepare.registration_quality", "not found >= least", "found > least"),
    Mutant("P1.11", "prepare.registration_quality", "keep = 1 - _MARGIN", "keep = 1 + _MARGIN"),
    Mutant("L15.1", "prove.reverse_classification", "np.where(known, table, -1).max(0)", "table.mean(0)"),
    Mutant("L15.1", "prove.reverse_classification", "found[empty] = 0.0", "found[empty] = 1.0"),
]

# Hallucination audit.
MUTANTS += [
    Mutant("L16.1", "maths.hallucination", "share(seen[~there]), share(~seen[there])", "share(seen), share(~seen)"),
    Mutant("L16.1", "maths.hallucination", "target = 1 - clean", "target = clean"),
    Mutant("L16.1", "maths.mean_discrepancy", "- 2 * kernel[:size, size:].mean()", "- kernel[:size, size:].mean()"),
    Mutant("L16.1", "prove.hallucination", "second = first if paired else", "second = first[:0] if paired else"),
    Mutant("L16.1", "prove.hallucination", "rates.disappearance,\n", "rates.appearance,\n"),
    Mutant("L16.1", "prove.evaluators.hallucination", "np.fmax(appears", "np.fmin(appears"),
]

# Losses of time to an event.
MUTANTS += [
    Mutant("L4.1", "maths.survival_losses", "[torch.cumsum(sizes, 0) - 1][group]", ""),
    Mutant("L4.1", "maths.survival_losses", "before - start[group]", "before"),
    Mutant(
        "L4.1", "maths.survival_losses", "torch.argsort(time, descending=True", "torch.argsort(time, descending=False"
    ),
    Mutant(
        "L4.4",
        "maths.survival_losses",
        "torch.where(place > interval[:, None], log_share",
        "torch.where(place >= interval[:, None], log_share",
    ),
    Mutant(
        "L4.4",
        "maths.survival_losses",
        "((interval[:, None] == interval[None]) & ~event.bool()[None])",
        "(interval[:, None] == interval[None])",
    ),
    Mutant("L4.4", "maths.survival_losses", "max(self.cases, 1) ** 2", "max(self.cases, 1)"),
    Mutant(
        "L4.5", "maths.survival_losses", "terms * (place <= interval[:, None])", "terms * (place < interval[:, None])"
    ),
    Mutant("L4.5", "maths.survival_losses", "torch.cumsum(softplus(logits), 1)", "softplus(logits)"),
    Mutant("L4.6", "maths.survival_losses", "controls - case[:, None]).sum(1)", "case[:, None] - controls).sum(1)"),
    Mutant("L4.6", "maths.survival_losses", "torch.exp(-log_risk)[order]", "torch.exp(log_risk)[order]"),
    Mutant(
        "L4.6",
        "maths.survival_losses",
        "    return log_risk - at_events.gather",
        "    return log_risk + at_events.gather",
    ),
]

# Foreign images.
MUTANTS += [
    Mutant(
        "I11.3",
        "maths.reference",
        "rank = int(np.ceil((number + 1) * (1 - refused_share) - 1e-9))",
        "rank = int(np.ceil((number + 1) * refused_share))",
    ),
    Mutant("I11.3", "maths.reference", "plain = (channel - channel.mean())", "plain = abs(channel - channel.mean())"),
    Mutant(
        "I11.3", "maths.reference", 'along / np.asarray(reference["spread"])', 'along * np.asarray(reference["spread"])'
    ),
]
# Feature selection.
MUTANTS += [
    Mutant("I10.5", "maths.feature_selection", "k * np.mean(with_class)", "np.mean(with_class)"),
    Mutant("I10.5", "maths.feature_selection", "k + k * (k - 1) * among", "k + k * k * among"),
    Mutant("I10.5", "maths.feature_selection", "return 2 * mutual_information", "return mutual_information"),
    Mutant("I10.5", "maths.feature_selection", "(block.sum() - len(chosen)) / pairs", "block.sum() / pairs"),
]
# Sanity checks of explainers.
MUTANTS += [
    Mutant(
        "I10.7",
        "prove.explaining.trusting",
        'worst = _largest([numbers["the upper half"], numbers["all layers"]])',
        'worst = numbers["all layers"]',
    ),
    Mutant("I10.7", "prove.explaining.trusting", "half = 1 + (len(layers) - 1) // 2", "half = len(layers)"),
    Mutant("I10.7", "prove.explaining.randomising", "return layers[::-1]", "return layers"),
    Mutant("I10.7", "prove.explaining.randomising", "module.reset_parameters()", "module.extra_repr()"),
    Mutant(
        "I10.7",
        "maths.map_checks",
        "np.abs(np.ravel(first)), np.abs(np.ravel(second))",
        "first.ravel(), second.ravel()",
    ),
    Mutant("I10.7", "maths.map_checks", "iterations=tolerance)", "iterations=tolerance + 1)"),
]
# A maximum whose reference held it.
MUTANTS += [
    Mutant("I10.3", "maths.propagation", "torch.where(value >= before[-1], now, then)", "now"),
    Mutant("I10.3", "maths.propagation", "torch.where(value >= before[-1], now, then)", "then"),
]

# Grids of whole images, thick slices and anti-aliasing.
MUTANTS += [
    Mutant("P1.2", "maths.geometry", "matrix[:-1, -1] = (ratio - 1) / 2", "matrix[:-1, -1] = 0"),
    Mutant(
        "P1.2", "maths.geometry", "first = (slices - 1) / 2 - ratio * (new_slices - 1) / 2", "first = (ratio - 1) / 2"
    ),
    Mutant("P1.2", "prepare.transforms.harmonise_slices", "for sign in (-1, 1))", "for sign in (1, -1))"),
    Mutant(
        "P1.3",
        "maths.resampling",
        "array = np.moveaxis(np.tensordot(weights, array, (1, 1 + axis)), 0, 1 + axis)",
        "array = np.take(array, np.rint(place).astype(int), 1 + axis)",
    ),
    Mutant(
        "P1.3",
        "maths.resampling",
        "width / 2, edges[0], edges[-1])[:, None]\n    high",
        "width / 4, edges[0], edges[-1])[:, None]\n    high",
    ),
    Mutant(
        "P1.3",
        "maths.geometry",
        "new_thickness_mm = slices * thickness_mm / new_slices",
        "new_thickness_mm = thickness_mm",
    ),
    Mutant(
        "I5.3", "maths.resampling", "if antialias is True and not nearest:", "if antialias == 'never' and not nearest:"
    ),
    Mutant(
        "I5.3",
        "maths.resampling",
        "sigma = math.sqrt(factor**2 - 1) / _SIGMA_TO_WIDTH",
        "sigma = math.sqrt(factor**2 - 1)",
    ),
    Mutant(
        "I5.3",
        "maths.resampling",
        "array, _ = _slabs_at(array, [np.arange(size) for size in array.shape[1:]], factors)",
        "pass",
    ),
]
# Intensities: z-score, percentiles, range, equalisation.
MUTANTS += [
    Mutant(
        "P1.4",
        "maths.intensity_scale",
        ".square_().sum(dtype=torch.float64)) / values.numel()",
        ".square_().sum(dtype=torch.float64)) / (values.numel() - 1)",
    ),
    Mutant("P1.4", "maths.intensity_scale", "(25, 50, 75)", "(10, 50, 90)"),
    Mutant("P1.4", "maths.intensity_scale", "return share.clamp_(0, 1) if clip else share", "return share"),
    Mutant("P1.4", "maths.intensity_scale", "return out.zero_()", "return out.div_(spread)"),
    Mutant("P1.4", "prepare.transforms.zscore", "channel[counts(channel)]", "channel"),
    Mutant("P1.4", "prepare.transforms.range", "float(counted.min())", "float(channel.min())"),
    Mutant("P1.4", "prepare.transforms.equalise", "mask=counted.numpy()", "mask=None"),
    Mutant("P1.7", "prepare.transforms.clahe", "return torch.zeros_like(picture)", "lowest, highest = 0.0, 1.0"),
    Mutant("P1.7", "prepare.transforms.clahe", "image.flatten(0, 1) if has_time else image", "image"),
    Mutant(
        "P1.7",
        "prepare.transforms.clahe",
        "share = between(picture, lowest, highest).numpy()",
        "share = between(picture, lowest, highest).numpy() ** 0.5",
    ),
    Mutant("P1.7", "prepare.transforms.equalise", "nbins=self.bins, mask", "nbins=3, mask"),
]
MUTANTS += [
    Mutant("I6.3", "prepare.sides", "if on_one_side and not one_sided:", "if on_one_side and one_sided:"),
    Mutant(
        "I6.3",
        "prepare.sides",
        "bool(words & _LIES_ON_ONE_SIDE) or (of_the_heart and is_sided(name))",
        "name == 'heart'",
    ),
    Mutant("I6.3", "prepare.transforms.flip", "                refuse_laterality(sample)\n", "                pass\n"),
    Mutant("I6.3", "prepare.transforms.rotate", 'if self.turned_sides == "refuse":', "if False:"),
    Mutant("I6.3", "prepare.sides", "any(axes[axis] != 0 for axis in turned)", "True"),
    Mutant(
        "I6.3",
        "prepare.transforms.affine",
        '        refuse_turned_sides(sample, [self.degrees] * (1 if dims == 2 else 3), "affine")\n',
        "",
    ),
]
# Intensities that are brought onto others'.
MUTANTS += [
    Mutant(
        "P1.5", "maths.landmarks", "low + (high - low) * (found - found[0]) / span", "low + (high - low) * found / span"
    ),
    Mutant("P1.5", "maths.landmarks", "    if not clip:\n", "    if clip:\n"),
    Mutant("P1.5", "maths.landmarks", "(array[above] - own[-1]) * slopes[-1]", "(array[above] - own[-1]) * slopes[0]"),
    Mutant("P1.5", "maths.landmarks", " / np.bincount(which)", ""),
    Mutant("P1.5", "prepare.references", '"table": total / cases[view]', '"table": total'),
    Mutant("P1.5", "prepare.references", "sums[view] + table if view in sums else table", "table"),
    Mutant("P1.6", "maths.white_stripe", '"right") - 1) / 2', '"right")) / 2'),
    Mutant("P1.6", "maths.white_stripe", "peaks[-1] if which", "peaks[0] if which"),
    Mutant("P1.6", "maths.white_stripe", "prominence=_PROMINENCE * curve.max()", "prominence=0"),
    Mutant(
        "P1.6",
        "maths.white_stripe",
        "float(np.median(there)) if there.size else float((lower + upper) / 2)",
        "float((lower + upper) / 2)",
    ),
    Mutant("P1.6", "prepare.transforms.whitestripe", "stripe(values, mode, self.width) if", "values if"),
    Mutant(
        "P1.7", "maths.landmarks", "np.cumsum(counts) / counts.sum()", "(np.cumsum(counts) - counts) / counts.sum()"
    ),
    Mutant("P1.7", "prepare.transforms.histogram_match", "table[1:]", "np.sort(table[::2])"),
    Mutant(
        "P1.7",
        "prepare.transforms.histogram_match",
        "inside = channel[counted]",
        "inside, counted = channel.ravel(), counted | True",
    ),
]

# Stained sections: two dyes, average colours, tissue.
MUTANTS += [
    Mutant("P1.8", "maths.stain", "bright / 255) / bright)", "bright / 255) / 255)"),
    Mutant("P1.8", "maths.stain", "vectors[:, [2, 1]] * np.where", "vectors[:, [2, 0]] * np.where"),
    Mutant("P1.8", "maths.stain", "if found[0, 0] < found[1, 0]:", "if found[0, 0] > found[1, 0]:"),
    Mutant("P1.8", "maths.stain", "(density >= least_density).all(1)", "(density >= least_density).any(1)"),
    Mutant("P1.8", "maths.stain", "(share >= _NEAR_PURE) | ", "(share >= 0.0) | "),
    Mutant("P1.8", "maths.stain", "3**-0.5, 6**-0.5, 2**-0.5", "3**-0.5, 2**-0.5, 6**-0.5"),
    Mutant(
        "P1.8",
        "prepare.transforms.macenko",
        "restain(row, own, *self._reference",
        "restain(row, own, own.vectors, own.strongest",
    ),
    Mutant("I5.8", "maths.stain", "np.percentile(angles, [percent, 100 - percent])", "np.percentile(angles, [25, 75])"),
    Mutant("I5.8", "maths.stain", "density @ np.linalg.pinv(vectors)", "density @ vectors.T"),
    Mutant("I5.8", "prepare.transforms.reinhard", "centred * deviation + mean", "centred * own.std(0) + own.mean(0)"),
    Mutant(
        "I5.8",
        "prepare.transforms.macenko",
        "found.angle_degrees < self.smallest_angle_degrees",
        "found.angle_degrees < 0",
    ),
    Mutant("P1.9", "intake.slides.tissue", "(grey < _BRIGHTEST_TISSUE) | (saturation > _PALEST_TISSUE)", "True"),
    Mutant("P1.9", "intake.slides.tissue", "(grey < _BLACK) & (spread", "(grey < -1) & (spread"),
    Mutant(
        "P1.9",
        "intake.slides.tissue",
        "picture = np.add.reduceat(picture, edges, axis=axis) / sizes",
        "picture = np.take(picture, edges, axis=axis)",
    ),
    Mutant("I5.7", "intake.slides.tissue", "measured <= threshold if by", "measured > threshold if by"),
    Mutant("I5.7", "intake.slides.tissue", "np.divide(spread, high, out", "np.divide(high, 1, out"),
    Mutant("I5.7", "intake.slides.tissue", " + np.ptp(counted) / 512", ""),
]
MUTANTS += [
    Mutant("P2.5", "maths.survival_phantoms", "expit(scale * z)", "expit(-scale * z)"),
    Mutant("P2.5", "maths.survival_phantoms", "rng.exponential(1.0, hazard.shape) / hazard", "rng.exponential(hazard)"),
    Mutant("P2.5", "maths.survival_phantoms", "expit(np.abs(each - log_hazard))", "expit(each - log_hazard)"),
    Mutant(
        "P2.5",
        "maths.survival_phantoms",
        "return np.minimum(whole, lost), whole <= lost",
        "return whole, whole <= lost",
    ),
    Mutant("P2.5", "maths.survival_phantoms", "-np.expm1(-product) / product", "-np.expm1(-product)"),
]
# Shapley values of trees.
MUTANTS += [
    Mutant("I10.4", "maths.tree_shapley", "len(columns) // 2 + 1", "1"),
    Mutant(
        "I10.4",
        "maths.tree_shapley",
        'integral = np.einsum("p,pck->ck", weights / 2, others)',
        'integral = np.einsum("p,pck->ck", weights, others)',
    ),
    Mutant("I10.4", "maths.tree_shapley", "value * (known - unknown) * integral", "value * known * integral"),
]
MUTANTS += [
    Mutant(
        "P2.1",
        "maths.phantom_shepp_logan",
        "(short / 4, short / 3), small=upper_small",
        "(short / 4, short / 3), small=lower_small",
    ),
    Mutant(
        "P2.1", "maths.phantom_shepp_logan", "long - jitter, short - jitter", "long - 3 * jitter, short - 3 * jitter"
    ),
    Mutant("P2.1", "maths.phantom_trivial", "noise - noise.min(initial=np.inf)", "noise"),
    Mutant(
        "P2.1",
        "intake.phantoms.trivial",
        "person, label = divmod(turn.index, len(self.classes))",
        "label = turn.index % 2",
    ),
    Mutant("P2.1", "maths.phantom_heads", '"AD": (0.05, 0.85, 0.10)', '"AD": (0.05, 0.80, 0.15)'),
    Mutant("P2.2", "maths.phantom_heads", '"AD": (0.05, 0.85, 0.10)', '"AD": (0.10, 0.80, 0.10)'),
    Mutant("P2.2", "maths.phantom_heads", "np.mean(np.asarray(patients) != 0)", "np.mean(np.asarray(patients) == 1)"),
    Mutant(
        "P2.3",
        "maths.phantom_shepp_logan",
        "(0.16, 0.41, 0.28), (-0.22, 0.0, 0.0), 18.0",
        "(0.16, 0.41, 0.28), (-0.22, 0.0, 0.0), -18.0",
    ),
    Mutant(
        "P2.3",
        "maths.phantom_shepp_logan",
        "(0.21, 0.25, 0.41), (0.0, 0.35, 0.0)",
        "(0.21, 0.25, 0.41), (0.0, 0.35, -0.15)",
    ),
    Mutant("P2.3", "maths.phantom_shepp_logan", "return np.round(total, 6)", "return total"),
    Mutant("P2.3", "maths.phantom_shepp_logan", "UPPER, LOWER = (4,), (7, 8, 9)", "LOWER, UPPER = (4,), (7, 8, 9)"),
    Mutant("P2.6", "maths.phantom_cells", ">= apart**2", ">= apart"),
    Mutant("P2.6", "maths.phantom_cells", "total / (2 * math.pi * sigma**2)", "total / (2 * math.pi * sigma)"),
    Mutant("P2.6", "intake.phantoms.cells", 'if self.placing == "spaced"', 'if self.placing == "free"'),
    Mutant("P2.7", "maths.phantom_sites", "site_of_positive - site_of_negative", "site_of_positive + site_of_negative"),
    Mutant(
        "P2.7",
        "maths.phantom_sites",
        "((1, 1 - confounding), (0, confounding))",
        "((1, confounding), (0, 1 - confounding))",
    ),
    Mutant("P2.7", "intake.phantoms.sites", "self.confounding if at_b else 1 - self.confounding", "self.confounding"),
    Mutant("P2.7", "intake.phantoms.sites", "self.site_shift * at_b", "self.site_shift * positive"),
]
# Windows of grey values.
MUTANTS += [
    Mutant(
        "I1.3", "maths.display_window", "(values - (centre - 0.5)).div_(width - 1)", "(values - centre).div_(width - 1)"
    ),
    Mutant(
        "I1.3",
        "maths.display_window",
        "(values - (centre - 0.5)).div_(width - 1)",
        "(values - (centre - 0.5)).div_(width)",
    ),
    Mutant("I1.3", "maths.display_window", "(values > centre - 0.5)", "(values > centre)"),
    Mutant("I1.3", "maths.display_window", "centre) * (4 / width)", "centre) * (2 / width)"),
    Mutant(
        "I1.3",
        "maths.display_window",
        "(values - (centre - width / 2)).div_(width).clamp_(0, 1)",
        "(values - (centre - width / 2)).div_(width)",
    ),
    Mutant("I1.3", "intake.dicom.voi", '_FUNCTIONS = {"": "linear"', '_FUNCTIONS = {"": "linear_exact"'),
    Mutant("I1.3", "intake.dicom.voi", "centres[0], widths[0]", "centres[-1], widths[-1]"),
    Mutant("I1.3", "intake.dicom.voi", ' + (1 if function == "linear" else 0)', ""),
    Mutant("I1.3", "intake.dicom.voi", "        if inverts(header):\n", "        if False:\n"),
    Mutant("I1.3", "intake.dicom.voi", "stored[0] * plane.slope + plane.intercept", "stored[0]"),
]
# Artefacts that throw dice of their own.
MUTANTS += [
    Mutant("I6.4", "prepare.transforms.poisson_noise", "manual_seed(int(rng.integers(2**63)))", "manual_seed(0)"),
    Mutant("I6.4", "prepare.transforms.low_dose", ".manual_seed(int(rng.integers(2**63)))", ""),
    Mutant("I6.4", "prepare.transforms.screen_photograph", "int(rng.integers(2**63))", "torch.seed() % 2**63"),
]

# Input control: simple statistics of an image.
MUTANTS += [
    Mutant("P3.1", "maths.reference", "highest - lowest <= 1e-9", "highest - lowest < 0"),
    Mutant("P3.1", "maths.reference", "return not np.isfinite(lowest + highest) or ", "return "),
    Mutant("P3.1", "maths.reference", "(1 - shrunk) * together + shrunk * np.eye(width)", "np.eye(width)"),
    Mutant(
        "P3.1", "intake.checks.image_quality", "(fact.get(name) or 0) > limit", "(fact.get(name) or 0) > 1e9 * limit"
    ),
    Mutant("P3.3", "maths.quality", "np.sqrt(np.pi / 2) / 6", "1 / 6"),
    Mutant("P3.3", "maths.quality", "1.4826 / 6 * np.median(response, axis=1)", "np.median(response, axis=1) / 6"),
    Mutant("P3.3", "maths.quality", " / planes.std(axis=(1, 2), keepdims=True)", ""),
    Mutant("P3.3", "intake.orientation", "np.repeat([0, 1], len(chosen))", "np.tile([0, 1], len(chosen))"),
]
MUTANTS += [
    Mutant("I6.4", "prepare.enlarge", "group=case.cluster,", "group=None,"),
    Mutant(
        "I6.4",
        "prepare.enlarge",
        'for copy in range(1 + (copies if case.role == "train" else 0)):',
        "for copy in range(1 + copies):",
    ),
    Mutant("I6.4", "prepare.enlarge", "{trained} x (1 + {copies})", "{trained} x {copies}"),
]

# Brains in made heads.
MUTANTS += [
    Mutant(
        "P1.12",
        "prepare.transforms.skull_strip",
        "found = register(atlas, head, self.kind, seed=self.seed, effort=self.effort, limits=limits)",
        "found = register(atlas, atlas.with_array(atlas.array, head.affine_mm), self.kind, limits=limits)",
    ),
    Mutant("P1.12", "prepare.transforms.skull_strip", "share.array[0] >= 0.5", "share.array[0] > 0.0"),
    Mutant(
        "P1.12",
        "prepare.transforms.skull_strip",
        "np.where(inside, image.array, fill)",
        "np.where(inside, fill, image.array)",
    ),
    Mutant(
        "I5.10",
        "prepare.transforms.skull_strip",
        "limits = Limits(mutual_information=self.least_information)",
        "limits = Limits()",
    ),
    Mutant(
        "I5.10",
        "prepare.transforms.skull_strip",
        "if not self.least_ml <= millilitres <= self.most_ml:",
        "if not self.least_ml <= millilitres:",
    ),
    Mutant("I5.10", "prepare.segmenter", "path.write_bytes(bundle)", "path.touch()"),
]
# N4.
MUTANTS += [
    Mutant("P1.1", "prepare.transforms.n4", "picture / torch", "picture * torch"),
    Mutant("P1.1", "prepare.bias_correction", "inside = inside & (picture > 0)", "inside = inside | (picture > -1)"),
    Mutant(
        "P1.1",
        "prepare.bias_correction",
        "image = SimpleITK.GetImageFromArray(picture.astype(np.float32).T)",
        "image = SimpleITK.GetImageFromArray(picture.astype(np.float32))",
    ),
    Mutant("P1.1", "prepare.transforms.n4", "image.reshape(-1, *image.shape[image.ndim - dims :])", "image"),
    Mutant(
        "I5.4",
        "prepare.bias_correction",
        "return field - np.float32(field[inside].mean(dtype=np.float64))",
        "return field + 1",
    ),
    Mutant(
        "I5.4",
        "prepare.bias_correction",
        "corrector.GetLogBiasFieldAsImage(image)).T",
        "corrector.GetLogBiasFieldAsImage(image))",
    ),
    Mutant("I5.4", "prepare.bias_correction", "[how.iterations] * how.levels", "[1]"),
]

# Frame rates of clips.
MUTANTS += [
    Mutant("P1.10", "maths.frame_times", "(len(times_s) - 1) / (times_s[-1]", "len(times_s) / (times_s[-1]"),
    Mutant(
        "P1.10",
        "maths.frame_times",
        "np.interp(there_s, times_s, np.arange(len(times_s)))",
        "there_s * mean_rate_hz(times_s)",
    ),
    Mutant("P1.10", "maths.frame_times", "* rate_hz + _SLACK) + 1", "* rate_hz + _SLACK) + 2"),
    Mutant(
        "P1.10", "prepare.transforms.frame_rate", '"nearest" if mask.is_label else self.interpolate', "self.interpolate"
    ),
    Mutant(
        "I5.9",
        "maths.frame_times",
        "late < early - _SLACK * np.diff(times_s).min()",
        "late <= early + _SLACK * np.diff(times_s).min()",
    ),
    Mutant("I5.9", "maths.frame_times", "/ 1000", "/ 1024"),
    Mutant("I5.9", "prepare.clips", "or (np.diff(found) <= 0).any()", "or (np.diff(found) < 0).any()"),
]
MUTANTS += [
    Mutant(
        "P2.2",
        "intake.phantoms.indissociable",
        "body(anatomy, self.size, view=number) + grain",
        'body(anatomy, self.size, view=number) * (1 + turn.dealt("answer", 2)) + grain',
    ),
]
# Features of two domains brought together.
MUTANTS += [
    Mutant(
        "L6.2",
        "maths.subspaces",
        "moved = self.source_axes @ alignment(self.source_axes, self.target_axes)",
        "moved = self.source_axes",
    ),
    Mutant("L6.2", "maths.subspaces", "return source.T @ target", "return target.T @ source"),
    Mutant("L6.2", "maths.subspaces", "np.linalg.svd(features - mean, ", "np.linalg.svd(features, "),
    Mutant("L6.2", "prove.safeguards.subspace_alignment", 'not in self.state["target"]:', 'in self.state["target"]:'),
    Mutant("L6.2", "prove.safeguards.subspace_alignment", "aligned.target_axes / scale", "aligned.source_axes / scale"),
    Mutant(
        "L6.3", "maths.subspaces", "centred.T @ centred / (len(features) - 1)", "centred.T @ centred / len(features)"
    ),
    Mutant("L6.3", "maths.subspaces", "(4 * source.shape[1] ** 2)", "(4 * source.shape[1])"),
    Mutant("L6.3", "maths.subspaces", "centred = features - features.mean(0)", "centred = features"),
    Mutant("L6.3", "learn.methods.coral", "if len(each) > 1]", "if len(each) > 0]"),
    Mutant("L6.3", "learn.methods.coral", "return self.weight * torch", "return -self.weight * torch"),
    Mutant(
        "L6.3",
        "maths.mean_discrepancy",
        "torch.exp(-squared / (2 * scale * width))",
        "torch.exp(-squared / (scale * width))",
    ),
]
MUTANTS += [Mutant("I5.8", "prepare.transforms.macenko", "if raised > self.most_scaling:", "if raised > 1000:")]

# Losses of generators and discriminators.
MUTANTS += [
    Mutant("I7.3", "maths.gan_losses", "softplus(-real).mean() + softplus(fake).mean()", "softplus(-real).mean()"),
    Mutant("I7.3", "maths.gan_losses", "0.5 * ((real - 1).square()", "((real - 1).square()"),
    Mutant("I7.3", "maths.gan_losses", "relu(1 + fake)", "relu(1 - fake)"),
    Mutant("I7.3", "maths.gan_losses", "return fake.mean() - real.mean()", "return real.mean() - fake.mean()"),
    Mutant("I7.3", "maths.gan_losses", "return softplus(-fake).mean()", "return softplus(fake).mean()"),
    Mutant("I7.3", "maths.gan_losses", "return -softplus(fake).mean()", "return softplus(-fake).mean()"),
    Mutant("I7.3", "maths.gan_losses", "return (fake - 1).square().mean()", "return 0.5 * (fake - 1).square().mean()"),
    Mutant("I7.3", "maths.gan_losses", "(slope.flatten(1).norm(dim=1) - 1)", "slope.flatten(1).norm(dim=1)"),
    Mutant("I7.3", "maths.gan_losses", "(1 - mixing) * fake.detach()", "(1 - mixing) * fake"),
    Mutant(
        "I7.3", "maths.gan_losses", "mixing * real.detach() + (1 - mixing)", "(1 - mixing) * real.detach() + mixing"
    ),
    Mutant("I7.3", "maths.gan_losses", "        parameter.requires_grad_(False)\n", "        pass\n"),
    Mutant("I7.3", "maths.gan_losses", "        module.track_running_stats = False", "        pass"),
    Mutant("I7.3", "maths.gan_losses", "(made - wanted).abs().mean()", "(made - wanted).square().mean()"),
]

# Images drawn from label maps.
MUTANTS += [
    Mutant("I7.2", "maths.label_synthesis", "rng.uniform(*deviation, structures)", "rng.uniform(*mean, structures)"),
    Mutant(
        "I7.2", "maths.label_synthesis", "mean.addcmul_(deviation, grain)", "mean.addcmul_(deviation.square(), grain)"
    ),
    Mutant("I7.2", "maths.label_synthesis", "mean.addcmul_(deviation, grain)", "mean.add_(deviation * (grain + 0.2))"),
    Mutant("I7.2", "maths.label_synthesis", "labels.long() + (first - 1)", "labels.long() + first"),
    Mutant(
        "I7.2", "maths.label_synthesis", "means[group[0]] + rng.uniform(-apart, apart, len(group))", "means[group[0]]"
    ),
    Mutant(
        "I7.2",
        "maths.axis_operators",
        "np.exp(-0.5 * (np.arange(reach + 1) / sigma) ** 2)",
        "np.exp(-0.5 * (np.arange(reach + 1) / sigma))",
    ),
    Mutant("I7.2", "prepare.vary", "tensor = applied.on(view, tensor, moved)", "tensor = applied.on(view, tensor, {})"),
]
MUTANTS += [
    Mutant("P5.2", "maths.run_lengths", "counts[place - 2]) if place > 2", "counts[place - 2]) if place > 1"),
    Mutant(
        "P5.2", "maths.run_lengths", "flat = np.asarray(mask).ravel() != 0", "flat = np.asarray(mask).T.ravel() != 0"
    ),
    Mutant("P5.2", "maths.run_lengths", "if len(counts) > 2:", "if len(counts) > 1:"),
    Mutant(
        "I4.4", "maths.run_lengths", "return [0, *counts] if flat.size and flat[0]", "return [0, *counts] if flat.size"
    ),
    Mutant("I4.4", "maths.polygons", "np.clip(np.ceil(at), 0, width)", "np.clip(np.floor(at) + 1.5, 0, width)"),
    Mutant("P5.2", "maths.polygons", "dtype=float) - 1.5)", "dtype=float) - 1.0)"),
    Mutant("P5.2", "maths.polygons", "return came[1] * (end[0]", "return -came[1] * (end[0]"),
    Mutant("P5.4", "maths.bit_packing", '!= 0, bitorder="little").tobytes()', '!= 0, bitorder="big").tobytes()'),
    Mutant("P5.4", "maths.bit_packing", 'return packed + b"\\0" * (len(packed) % 2)', "return packed"),
    Mutant("P5.3", "maths.consensus", "np.log(1 - sensitivity)).sum(1)", "np.log(sensitivity)).sum(1)"),
    Mutant(
        "P5.3",
        "maths.consensus",
        "(~patterns * background[:, None]).sum(0) / background.sum()",
        "(~patterns * foreground[:, None]).sum(0) / foreground.sum()",
    ),
    Mutant("P5.3", "maths.consensus", "(twice > len(marked))", "(twice >= len(marked))"),
    Mutant("P5.3", "maths.consensus", "(votes == most).sum(axis=0) > 1, tie", "(votes == most).sum(axis=0) > 2, tie"),
]

# DICOM files: values, frames, times, the zoo, and files made to harm.
MUTANTS += [
    Mutant("I1.4", "intake.dicom.file", "return np.right_shift(stored, allocated - bits)", "return stored"),
    Mutant("I1.4", "intake.dicom.file", "plane.slope) + plane.intercept)", "plane.slope) - plane.intercept)"),
    Mutant("I1.4", "maths.lookup_table", "len(table) - 1)", "len(table) - 2)"),
    Mutant("I1.4", "maths.lookup_table", "return entries or 1 << 16", "return entries"),
    Mutant("I1.4", "maths.lookup_table", "first -= 1 << 16", "first -= 1"),
    Mutant("I1.4", "intake.dicom.voi", "- first - len(entries) + 1", "- first"),
    Mutant("I1.4", "intake.dicom.planes", "imager = imager / magnification", "imager = imager * magnification"),
    Mutant("I1.5", "intake.dicom.stack", "by_place = np.argsort(along", "by_place = np.argsort(-along"),
    Mutant("I1.5", "intake.dicom.planes", "_Macros([frame, *shared])", "_Macros([*shared])"),
    Mutant("I1.6", "intake.video.film", "rate_hz=1000 / float(step_ms)", "rate_hz=float(step_ms)"),
    Mutant("I1.7", "intake.dicom.fitness", '"1.2.840.10008.5.1.4.1.1.66.4": "a', '"1.2.840.10008.5.1.4.1.1.66.99": "a'),
    Mutant("I1.7", "intake.dicom.fitness", "if length != _UNDEFINED and begin + needed > size:", "if False:"),
    Mutant("I1.7", "intake.dicom.fitness", "if (encoded and not decoders) or twelve_bit:", "if False:"),
    Mutant("I1.8", "intake.dicom.fitness", "MAX_SEQUENCE_DEPTH = 32", "MAX_SEQUENCE_DEPTH = 3200"),
    Mutant("I1.8", "intake.dicom.file", "            check_ratio(counted, stored, path)\n", ""),
    Mutant("I1.8", "intake.dicom.guard", "    except Exception as error:", "    except OSError as error:"),
]
MUTANTS += [
    Mutant(
        "P5.1",
        "intake.annotations.mdai",
        'return shifted((data["x"], data["y"]), -0.5)',
        'return shifted((data["y"], data["x"]), -0.5)',
    ),
    Mutant(
        "P5.1",
        "intake.annotations.mdai",
        '"image" if uids["image"] else "series" if',
        '"image" if all(uids.values()) or uids["series"] else "series" if',
    ),
    Mutant("P5.1", "intake.annotations.mdai", 'if found["labelId"] not in declared:', "if False:"),
    Mutant("P5.1", "intake.annotations.mdai", "if mode not in _KINDS:", "if False:"),
    Mutant("I4.3", "intake.annotations.mdai", '["cut", each] for each in', '["add", each] for each in'),
    Mutant(
        "I4.3",
        "intake.annotations.mdai",
        'sizes[row.image] = _whole(found["width"]), _whole(found["height"])',
        'sizes[row.image] = _whole(found["height"]), _whole(found["width"])',
    ),
    Mutant("I4.4", "intake.annotations.coco", '"box", [shifted((x, y), -0.5), ', '"box", [shifted((x, y), 0.0), '),
    Mutant("P5.2", "intake.annotations.coco", 'height, width = drawn["size"]', 'width, height = drawn["size"]'),
    Mutant("P5.2", "intake.annotations.coco", "_area_differs(row, found", "0 * _area_differs(row, found"),
]

# Tags to table.
MUTANTS += [
    Mutant("P4.1", "intake.tags.mr_contrast", "inverts and 80 <= ti <= 300", "inverts and 80 <= ti <= 100"),
    Mutant("P4.1", "intake.tags.mr_contrast", "has_spin_echo and te >= 70 and tr >= 1500", "te >= 55 and tr >= 1000"),
    Mutant("P4.1", "intake.tags.mr_contrast", '"T2*", is_gradient', '"T1", is_gradient'),
    Mutant("P4.1", "intake.tags.mr_contrast", "value / 10_000", "value / 1_000"),
    Mutant("I4.2", "intake.tags.mr_contrast", "has_spin_echo and 0 < te <= 40 and tr >= 1500", "False"),
    Mutant("I4.2", "intake.tags.mr_contrast", 'if named == {"T2", "FLAIR"}:', "if False:"),
    Mutant("I4.2", "intake.tags.mr_contrast", "if len(named) == 1:", "if named:"),
    Mutant("P4.2", "intake.tags.frame_rate", "1000 / frame_time_ms, frame_time_ms", "frame_time_ms, frame_time_ms"),
    Mutant("P4.2", "intake.tags.frame_rate", "FrameRate(rate, None, source, True)", "FrameRate(rate, None, source)"),
    Mutant("P4.2", "intake.tags.frame_rate", "best = found[0]", "best = found[-1]"),
    Mutant("I4.1", "intake.tags.frame_rate", "1000 / frame_time_ms, frame_time_ms", "1000, frame_time_ms"),
    Mutant("I4.1", "intake.tags.frame_rate", 'findings.append("frame_time_zero")', "pass"),
    Mutant("P4.3", "intake.tags.age", "_DAYS_A_YEAR = 365.25", "_DAYS_A_YEAR = 365"),
    Mutant("P4.3", "intake.tags.age", "(at.month, at.day) < (born.month, born.day)", "at.month < born.month"),
    Mutant("P4.3", "intake.tags.age", "abs(exact - years) > 1:", "abs(exact - years) > 100:"),
    Mutant("P4.4", "intake.tags.dates", '.ljust(6, "0")', '.rjust(6, "0")'),
    Mutant("P4.4", "intake.tags.dates", "self.value - self.offset", "self.value + self.offset"),
    Mutant("P4.4", "intake.tags.dates", 'return -offset if found[1] == "-" else offset', "return offset"),
    Mutant("P4.4", "intake.tags.dates", "offset_of(offset or zone)", "offset_of(offset)"),
]

# Learnt from label maps alone.
MUTANTS += [
    Mutant("P2.4", "prepare.transforms.image_from_labels", "return painted(index,", "return image[0] + painted(index,"),
    Mutant(
        "P2.4",
        "prepare.transforms.image_from_labels",
        "own = np.random.default_rng(int(rng.integers(2**63)))",
        "own = np.random.default_rng(0)",
    ),
    Mutant("P2.4", "prepare.transforms.clusters", "np.digitize(grey, thresholds) + 1", "np.digitize(grey, thresholds)"),
    Mutant(
        "P2.4",
        "prepare.transforms.clusters",
        "edges[np.searchsorted(middles, chosen) + 1]",
        "edges[np.searchsorted(middles, chosen) + 1][::-1]",
    ),
    Mutant(
        "P2.4",
        "prepare.examples",
        "tensor = applied.on(view, tensor, marks)",
        "tensor = applied.on(view, tensor, {n: m.flip(-1) for n, m in marks.items()})",
    ),
]
MUTANTS += [
    Mutant(
        "I12.10",
        "intake.checks.label_anatomy",
        "odd = distances * np.sign(middle) < 0",
        "odd = distances * middle > 1e9",
    ),
    Mutant("I12.10", "intake.checks.label_anatomy", "float(odd.mean()) <= self.exceptions", "not odd.any()"),
    Mutant("I12.11", "intake.checks.label_columns", "_RARER = 10", "_RARER = 1000"),
    Mutant("I12.11", "intake.copies.crops", "_taken(cut) > _SMALLEST_CUT", "_taken(cut) > 9"),
]
MUTANTS += [
    Mutant("I2.1", "intake.deidentify.table", 'each["in_standard_iod"] == "Y"', 'each["in_standard_iod"] == "N"'),
    Mutant(
        "I2.1",
        "intake.deidentify.profile",
        "found[int(row.tag, 16)] = action",
        'found[int(row.tag, 16)] = action.replace("D", "K")',
    ),
    Mutant(
        "I2.1",
        "intake.deidentify.profile",
        'return Rule.technical if tag in _MACHINE_TEXT and vr != "PN" else Rule.remove',
        "return Rule.technical",
    ),
    Mutant("I2.2", "intake.deidentify.dicom", '(bytes(128), b"DICM"', '(data[:128], b"DICM"'),
    Mutant("I2.2", "intake.deidentify.profile", 'and vr != "PN" else Rule.remove', 'and vr != "PN" else Rule.retain'),
    Mutant(
        "I2.2",
        "intake.deidentify.dicom",
        'upper() == "YES" and not settings.again',
        'upper() == "yes" and not settings.again',
    ),
    Mutant("I2.3", "intake.deidentify.pseudonyms", "| 0x8 << 76", "| 0x4 << 76"),
    Mutant(
        "I2.3",
        "intake.deidentify.pseudonyms",
        "return original if original.startswith(STANDARD_ROOT) else self",
        "return self",
    ),
    Mutant("I2.4", "intake.deidentify.pseudonyms", "% 1825)", "% 1826)"),
    Mutant("I2.4", "intake.deidentify.rewriting", "key.days(self.patient) if", "key.days(self.text(0x0020000D)) if"),
    Mutant("I2.4", "intake.deidentify.dates", 'b"Y": 365.25', 'b"Y": 36.525'),
    Mutant(
        "I2.5",
        "intake.deidentify.marking",
        'encode(IDENTITY_REMOVED, "CS", b"YES", coding)',
        'encode(IDENTITY_REMOVED, "CS", b"NO", coding)',
    ),
    Mutant("I2.5", "intake.deidentify.profile", '"modified-dates": ("113107"', '"modified-dates": ("113106"'),
    Mutant("I2.6", "intake.deidentify.profile", 'if vr == "SQ" and "U" in listed:', 'if vr == "SQ" and "V" in listed:'),
    Mutant(
        "I2.6",
        "intake.deidentify.rewriting",
        'if type_[0] == "2" and Rule.empty in choice:',
        'if type_[0] == "1" and Rule.empty in choice:',
    ),
    Mutant("I2.7", "intake.deidentify.profile", '"Z": Rule.empty', '"Z": Rule.keep'),
    Mutant("I12.8", "intake.deidentify.profile", "return Rule.code_string", "return Rule.keep"),
    Mutant("I12.8", "intake.deidentify.rewriting", "return None if self._is_text(value) else value", "return value"),
]
MUTANTS += [
    Mutant("P5.4", "intake.annotations.dicom_seg", "np.float32(dataset.MaximumFractionalValue)", "np.float32(1000)"),
    Mutant(
        "P5.4",
        "intake.annotations.dicom_seg",
        "return unpack_bits(dataset.PixelData, frames, rows, columns)",
        "return np.stack([unpack_bits(dataset.PixelData[i * -(-rows * columns // 8) :] + bytes(1), 1, rows, columns)[0] for i in range(frames)])",
    ),
]
MUTANTS += [
    Mutant("I3.1", "intake.burned_in.text_detection", "and box.area <= most and not _is_blob(box, picture)", "or True"),
    Mutant("I3.1", "intake.burned_in.text_detection", "TextBox(self.corners + moves", "TextBox(self.corners - moves"),
    Mutant("I3.1", "intake.burned_in.text_detection", "[columns / size[0], rows / size[1]]", "[rows / size[1], 1.0]"),
    Mutant(
        "I3.1",
        "intake.burned_in.text_detection",
        "moved = np.array([place[1], place[0]]",
        "moved = np.array([place[0], place[1]]",
    ),
    Mutant("I3.2", "intake.burned_in.ultrasound_regions", "kept < 0.25 * declared", "kept <= 0"),
    Mutant("I3.2", "intake.burned_in.ultrasound_regions", "dataset.Columns - 1)", "dataset.Columns)"),
    Mutant("I3.2", "intake.burned_in.ultrasound_regions", "kind[1] not in (_TISSUE, _COLOUR_FLOW)", "False"),
    Mutant(
        "I3.2",
        "intake.burned_in.ultrasound_regions",
        "mask[top : bottom + 1, left : right + 1]",
        "mask[top:bottom, left:right]",
    ),
    Mutant("I3.3", "maths.moving_sector", "high - low > levels", "high > levels"),
    Mutant("I3.3", "maths.moving_sector", "return convex_hull(largest)", "return moving"),
    Mutant("I3.3", "maths.moving_sector", "largest = parts == 1 + int(", "largest = parts >= 1 + 0 * int("),
]

# Archives.
MUTANTS += [
    Mutant("I12.4", "intake.unpacking", "if stat.S_IFMT(mode) not in (0, stat.S_IFREG):", "if False:"),
    Mutant("I12.4", "intake.unpacking", '''place = f"{folder:05}/{stem:06}{suffix}"''', "place = name"),
    Mutant("I12.4", "intake.unpacking", "(zipfile.BadZipFile, zlib.error, lzma.LZMAError)", "(zipfile.BadZipFile,)"),
]
MUTANTS += [
    Mutant(
        "I6.4",
        "prepare.on_device",
        "self.examples.decided(told), read)",
        "self.examples.decided(told._replace(draw=told.draw + 1)), read)",
    ),
]
# A border that grey values settle.
MUTANTS += [
    Mutant("P1.12", "prepare.border", "np.log(one / other)", "np.log(other / one)"),
]

# Hostile input.
MUTANTS += [
    Mutant("I12.3", "intake.array", "except Exception as error:  # numpy", "except ValueError as error:  # numpy"),
    Mutant("I12.3", "intake.annotations.json_file", "taken > MOST_TIMES * size", "False"),
    Mutant("I12.3", "intake.annotations.json_file", "if _HALVES.search(content):", "if False:"),
    Mutant("I12.3", "intake.tiff", "check_dimensions(keyframe.chunks, path", "check_dimensions((1,), path"),
    Mutant("I12.3", "intake.tiff", "check_stored(longest, path", "check_stored(0, path"),
    Mutant("I12.3", "intake.decoding", "kind.kind not in _NUMBERS or ", ""),
]
