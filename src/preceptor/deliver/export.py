"""A bundle for other programs: ONNX, and the layout of MONAI's bundles."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preceptor.core.errors import MissingExtra, PreceptorError
from preceptor.core.files import write_aside

from .card import write_card

if TYPE_CHECKING:
    from .bundle import Bundle
    from .voting import Voting


def export_onnx(bundle: Bundle, path: str | Path) -> Path:
    """Write a bundle's networks as ONNX: prepared images in, averaged and recalibrated probabilities out.

    The inputs are named like the views, ``(batch, channel, *patch)`` float32 on the prepared grid, and
    ``present_<view>`` ``(batch,)`` bool where there are several; the output is ``probability``. The file's metadata holds
    the question, the steps of preparation with their states left in the bundle, and which safeguards are not part of it:
    whoever uses the file has to prepare images alike.

    Args:
        bundle: The bundle.
        path: ``….onnx``.

    Returns:
        The path. Where the network counts its batch, the file takes one case at a time.

    Raises:
        MissingExtra: ``preceptor[export]`` is not installed.
        BundleError: See `Voting`.
    """
    for module in ("onnx", "onnxscript"):
        if find_spec(module) is None:
            raise MissingExtra.of("export", "ONNX export")
    import onnx

    from .voting import Voting

    path = Path(path)
    voting = Voting(bundle).eval()
    model = _graph(bundle, voting, 2)
    if not model.graph.output[0].type.tensor_type.shape.dim[0].dim_param:
        model = _graph(bundle, voting, 1)  # the network counts its batch: one case at a time
    for name, value in _told(bundle).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = f"preceptor.{name}", json.dumps(value)
    onnx.checker.check_model(model)
    with write_aside(path) as aside:
        onnx.save(model, aside)
    return path


def _graph(bundle: Bundle, voting: Voting, number: int) -> Any:
    """The graph for batches of any number, where the network allows it; else of this number."""
    import torch

    inputs = bundle.groups[0].inputs
    examples = [torch.zeros(number, inputs.channels, *inputs.patch) for _ in voting.views]
    examples += [torch.ones(number, dtype=torch.bool) for _ in voting.views if voting.takes_present]
    batch = torch.export.Dim("batch", min=1, max=4096)
    program = torch.onnx.export(
        voting,
        tuple(examples),
        input_names=voting.names,
        output_names=["probability"],
        dynamic_shapes=(tuple({0: batch} for _ in examples),) if number > 1 else None,
        dynamo=True,
        verbose=False,
    )
    if program is None:
        raise PreceptorError("the networks could not be written as ONNX", code="export_failed")
    return program.model_proto


def _told(bundle: Bundle) -> dict[str, Any]:
    left_out = [name for each in bundle.recipe.safeguards for name in each if name not in ("temperature", "mirrored")]
    return {
        "study": bundle.recipe.study,
        "bundle": bundle.digest,
        "classes": list(bundle.question.classes),
        "exclusive": bundle.question.exclusive,
        "dense": bundle.question.dense,
        "prepare": [dict(each) for each in bundle.recipe.prepare],
        "safeguards left out": left_out,
    }


def export_monai(bundle: Bundle, folder: str | Path) -> Path:
    """Write a bundle in the layout of MONAI's bundles: ``configs/``, ``models/``, ``docs/``.

    The model in it is the sealed file as it is, so nothing is pickled and nothing scripted; MONAI's own inferer, device and
    saving go around it, and MONAI's configuration reads and prepares images through the bundle's own steps. Safeguards
    that look at the whole answer are no part of it.

        python -m monai.bundle run --config_file configs/inference.json --input scan.nii.gz

    Args:
        bundle: The bundle.
        folder: To make.

    Returns:
        The folder.

    Raises:
        BundleError: See `Voting`.
        FileExistsError: The folder is there already.
    """
    from .voting import Voting

    Voting(bundle)  # refuses here what it could not do there
    folder = Path(folder)
    for name in ("configs", "models", "docs"):
        (folder / name).mkdir(parents=True)
    shutil.copyfile(bundle.path, folder / "models" / "model.preceptor")
    for name, record in {"metadata": _metadata(bundle), "inference": _inference(bundle)}.items():
        (folder / "configs" / f"{name}.json").write_text(json.dumps(record, indent=4) + "\n", encoding="utf-8")
    (folder / "docs" / "README.md").write_text(write_card(bundle.card), encoding="utf-8")
    return folder


def _metadata(bundle: Bundle) -> dict[str, Any]:
    """``metadata.json`` with the entries of MONAI's schema."""
    inputs, question, card = bundle.groups[0].inputs, bundle.question, bundle.card
    classes = {str(index): name for index, name in enumerate(question.classes)}
    shape = list(inputs.patch)
    modality = next((each for view in card["input"].values() for each in view["modalities"]), "n/a")
    image = {
        "type": "image",
        "format": "magnitude",
        "modality": modality,
        "num_channels": inputs.channels,
        "spatial_shape": shape,
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": question.dense,
        "channel_def": {str(index): f"channel {index}" for index in range(inputs.channels)},
    }
    answer = {
        "type": "probabilities",
        "format": "segmentation" if question.dense else "classification",
        "num_channels": len(question.classes),
        "spatial_shape": shape if question.dense else [],
        "dtype": "float32",
        "value_range": [0, 1],
        "is_patch_data": question.dense,
        "channel_def": classes,
    }
    return {
        "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/"
        "meta_schema_20240725.json",
        "version": "1.0.0",
        "changelog": {"1.0.0": "sealed"},
        "monai_version": _version("monai"),
        "pytorch_version": _version("torch").partition("+")[0],
        "numpy_version": _version("numpy"),
        "required_packages_version": {"preceptor": _version("preceptor"), "nibabel": _version("nibabel")},
        "name": card["name"],
        "task": f"{question.task}: {', '.join(question.classes)}",
        "description": f"{card['name']}, sealed by preceptor; read docs/README.md for what it may be used for",
        "authors": "see docs/README.md",
        "copyright": "see docs/README.md",
        "data_type": "nifti",
        "intended_use": " ".join(card["limits"]),
        "eval_metrics": {name: each["value"] for name, each in card["findings"].items() if each["value"] is not None},
        "network_data_format": {"inputs": dict.fromkeys(inputs.views, image), "outputs": {"pred": answer}},
    }


def _inference(bundle: Bundle) -> dict[str, Any]:
    """``inference.json``. Its expressions join paths and call what the rest declares; there are no others."""
    inputs, dense = bundle.groups[0].inputs, bundle.question.dense
    sliding: Mapping[str, Any] = {
        "_target_": "SlidingWindowInferer",
        "roi_size": list(inputs.patch),
        "sw_batch_size": 1,
        "overlap": bundle.recipe.train.overlap,
        "mode": "gaussian",
    }
    record: dict[str, Any] = {
        "bundle_root": ".",
        "output_dir": "$@bundle_root + '/eval'",
        "input": "scan.nii.gz",
        "device": "cpu",
        "network_def": {
            "_target_": "preceptor.deliver.monai_network.SealedNetwork",
            "bundle": "$@bundle_root + '/models/model.preceptor'",
        },
        "preprocessing": {"_target_": "preceptor.deliver.monai_network.Prepared", "network": "@network_def"},
        "inferer": dict(sliding) if dense else {"_target_": "SimpleInferer"},
        "prepared": "$@preprocessing(@input)",
        "pred": "$@inferer(@prepared.to(@device), @network_def.to(@device))",
        "postprocessing": {
            "_target_": "preceptor.deliver.monai_network.Written",
            "network": "@network_def",
            "folder": "@output_dir",
        },
        "run": ["$@postprocessing(@pred, @input)"],
    }
    return record


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "0"
