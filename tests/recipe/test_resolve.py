"""`Recipe`: the same decisions have one digest, and what is written runs again to the same."""

from __future__ import annotations

from preceptor.recipe.load import load_recipe

from .writing import RIGHT, load


def test_a_resolved_recipe_is_read_back_as_itself(tmp_path):
    recipe = load(tmp_path, RIGHT, "strategy={ensemble: {members: 2}}", "split.external={site: [north, 3]}")
    run = tmp_path / "runs" / "small"
    run.mkdir(parents=True)
    (run / "resolved.yaml").write_text(recipe.to_yaml(beside=run), encoding="utf-8")
    again = load_recipe(run / "resolved.yaml")
    assert again == recipe
    assert again.digest() == recipe.digest()
    assert again.folder == tmp_path.resolve()


def test_a_resolved_recipe_shows_no_absolute_path(tmp_path):
    recipe = load(tmp_path)
    assert str(tmp_path) not in recipe.to_yaml(beside=tmp_path / "runs")
    assert str(tmp_path) not in recipe.to_yaml()


def test_the_digest_follows_decisions_and_not_their_spelling(tmp_path):
    one = load(tmp_path).digest()
    spelt = RIGHT.replace("lr: 1e-3", "lr: 0.001").replace(
        "study: small\nseed: 7", "# a comment\nseed: 7\nstudy: small"
    )
    assert load(tmp_path, spelt).digest() == one
    assert load(tmp_path, RIGHT + "strategy: once\n").digest() == one
    assert load(tmp_path, RIGHT.replace("cross_entropy]", "{cross_entropy: {}}]")).digest() == one


def test_the_digest_changes_with_every_decision(tmp_path):
    changes = (
        "seed=8",
        "train.epochs=4",
        "train.optimizer.adamw.lr=2e-3",
        "network.unet.norm=batch",
        "objective.dice.weight=2",
        "split.stratify=site",
        "task.segmentation.labels={anterior: 2, posterior: 1}",
        "study=other",
    )
    digests = [load(tmp_path, RIGHT, change).digest() for change in changes]
    assert len({load(tmp_path).digest(), *digests}) == len(changes) + 1


def test_what_cannot_change_a_result_does_not_change_the_digest(tmp_path):
    one = load(tmp_path).digest()
    assert load(tmp_path, RIGHT, "train.workers=2", "train.checkpoint_every_minutes=1").digest() == one
