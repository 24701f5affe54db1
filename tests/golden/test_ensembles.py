"""Known answers of ensembles: combiners, bags, boosting, mixtures, and deep ensembles for numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from preceptor.core.slots import build
from preceptor.maths import ensembles, losses, uncertainty
from tests.golden.seeds import seeds

GOLDEN = {"abs": 1e-6}
MEMBERS = np.array([(0.90, 0.10), (0.40, 0.60), (0.45, 0.55)])


def digits(seed: int, train: int | float = 0.5):
    """scikit-learn's own digits, split by class: train and test features (0..1) and truth."""
    datasets = pytest.importorskip("sklearn.datasets")
    from sklearn.model_selection import train_test_split

    features, truth = datasets.load_digits(return_X_y=True)
    return train_test_split(features / 16, truth, train_size=train, random_state=seed, stratify=truth)


# ---------------------------------------------------------------- L3.1


@pytest.mark.answer("L3.1")
def test_combiners():
    soft = ensembles.combine(MEMBERS)
    assert soft == pytest.approx((0.583333333, 0.416666667), **GOLDEN) and soft.argmax() == 0
    hard = ensembles.hard_vote(MEMBERS)
    assert hard == pytest.approx((1 / 3, 2 / 3), **GOLDEN) and hard.argmax() == 1
    assert ensembles.combine(MEMBERS, "min") == pytest.approx((0.8, 0.2), **GOLDEN), "(.40, .10) brought to one"
    assert ensembles.combine(MEMBERS, "max") == pytest.approx((0.6, 0.4), **GOLDEN), "(.90, .60) brought to one"
    assert ensembles.combine(MEMBERS, "product") == pytest.approx((0.830769231, 0.169230769), **GOLDEN)
    assert ensembles.combine(MEMBERS, "geometric") == pytest.approx((0.629567754, 0.370432246), **GOLDEN)


@pytest.mark.answer("L3.1")
def test_weighted_votes():
    given = ensembles.hard_vote(MEMBERS, (0.6, 0.3, 0.2))
    assert given == pytest.approx((0.6 / 1.1, 0.5 / 1.1), **GOLDEN) and given.argmax() == 0
    weights = ensembles.log_odds_weights((0.9, 0.7, 0.6))
    assert weights == pytest.approx((2.197224577, 0.847297860, 0.405465108), **GOLDEN)
    votes = ensembles.hard_vote(MEMBERS, weights) * weights.sum()
    assert votes == pytest.approx((2.197224577, 1.252762968), **GOLDEN)
    with pytest.raises(ValueError, match="not all of them 0"):
        ensembles.hard_vote(MEMBERS, (0, 0, 0))


@pytest.mark.answer("L3.1")
def test_no_member_has_a_veto_and_ties_have_a_rule():
    certain = np.array([(1.0, 0.0), (0.001, 0.999), (0.001, 0.999)])
    vetoed = ensembles.combine(certain, "product")
    assert np.isfinite(vetoed).all() and vetoed[1] > 0 and vetoed.sum() == pytest.approx(1)
    opposed = ensembles.combine(np.array([(1.0, 0.0), (0.0, 1.0)]), "product")
    assert opposed == pytest.approx((0.5, 0.5)), "two certainties that exclude each other cancel out"
    assert ensembles.combine(np.array([(1.0, 0.0), (0.0, 1.0)]), "min") == pytest.approx((0.5, 0.5))
    tied = ensembles.hard_vote(np.array([(0.1, 0.9), (0.9, 0.1)]))
    assert tied == pytest.approx((0.5, 0.5)) and tied.argmax() == 0, "the lowest class index"
    torn = ensembles.hard_vote(np.array([(0.5, 0.5)]))
    assert torn.tolist() == [1, 0]


# ---------------------------------------------------------------- L3.2


@pytest.mark.answer("L3.2")
def test_bags_draw_with_replacement():
    assert ensembles.bag(np.arange(10), np.random.default_rng(0)).tolist() == [8, 6, 5, 2, 3, 0, 0, 0, 1, 8]
    assert ensembles.expected_unique_share(10) == pytest.approx(0.651321560, **GOLDEN)
    assert ensembles.expected_unique_share(100) == pytest.approx(0.633967659, **GOLDEN)
    assert ensembles.expected_unique_share(10**9) == pytest.approx(0.632120559, **GOLDEN)
    generator = np.random.default_rng(1)
    shares = [len(np.unique(ensembles.bag(np.arange(100), generator))) / 100 for _ in range(400)]
    assert np.mean(shares) == pytest.approx(0.633967659, abs=0.01)


@pytest.mark.answer("L3.2")
def test_bags_hold_whole_patients():
    patients = np.array(["b", "a", "b", "c", "a", "b"])
    drawn = ensembles.bag(patients, np.random.default_rng(3))
    times = {who: (patients[drawn] == who).sum() / (patients == who).sum() for who in "abc"}
    assert all(each == int(each) for each in times.values()) and sum(times.values()) == 3
    assert len({tuple(ensembles.bag(patients, np.random.default_rng(seed))) for seed in range(9)}) > 3


@pytest.mark.answer("L3.2")
@pytest.mark.parametrize("seed", seeds(3))
def test_bagging_gains_on_one_tree(seed):
    tree = pytest.importorskip("sklearn.tree")
    train, test, truth, asked = digits(seed)
    generator = np.random.default_rng(seed)
    answers = []
    for number in range(50):
        chosen = ensembles.bag(np.arange(len(train)), generator)
        grown = tree.DecisionTreeClassifier(random_state=number).fit(train[chosen], truth[chosen])
        answers.append(grown.predict_proba(test))
    said = [each.argmax(1) for each in answers]
    assert all((said[0] != each).any() for each in said[1:]), "members differ"
    one = tree.DecisionTreeClassifier(random_state=0).fit(train, truth)
    together = (ensembles.hard_vote(np.stack(answers)).argmax(1) == asked).mean()
    assert together - (one.predict(test) == asked).mean() >= 0.05


# ---------------------------------------------------------------- L3.3


@pytest.mark.answer("L3.3")
def test_a_round_of_boosting():
    step = ensembles.samme_step(np.array([0, 1, 2, 0, 1]), np.array([0, 1, 1, 0, 2]), np.full(5, 0.2), 3)
    assert step.error == pytest.approx(0.4) and step.say == pytest.approx(1.098612289, **GOLDEN)
    assert step.weights == pytest.approx(np.array([1, 1, 3, 1, 3]) / 9, **GOLDEN)
    step = ensembles.samme_step(np.array([0, 1, 1, 0, 1]), np.array([0, 1, 1, 0, 0]), np.full(5, 0.2), 2)
    assert step.error == pytest.approx(0.2) and step.say == pytest.approx(1.386294361, **GOLDEN)
    assert step.weights == pytest.approx((0.125, 0.125, 0.125, 0.125, 0.5), **GOLDEN)


@pytest.mark.answer("L3.3")
def test_boosting_ends_with_the_guessing_and_with_the_perfect():
    truth = np.arange(5) % 3
    perfect = ensembles.samme_step(truth, truth, np.full(5, 0.2), 3)
    assert perfect.error == 0 and np.isfinite(perfect.say) and perfect.say > 20
    assert perfect.weights == pytest.approx(np.full(5, 0.2))
    # Right in two of five, of three classes: better than guessing, and it has a say above 0.
    weak = ensembles.samme_step(truth, (truth + [0, 0, 1, 1, 1]) % 3, np.full(5, 0.2), 3)
    assert weak.error == pytest.approx(0.6) and weak.say > 0
    assert ensembles.samme_step(truth, (truth + 1) % 3, np.full(5, 0.2), 3) is None
    with pytest.raises(ValueError, match="nothing to boost"):
        ensembles.boost(lambda *given: lambda x: (truth + 1) % 3, None, truth, 3, 5)
    once = ensembles.boost(lambda *given: lambda x: truth, None, truth, 3, 5)
    assert len(once.learners) == 1 and once.votes(None).argmax(1).tolist() == truth.tolist()


@pytest.mark.answer("L3.3")
@pytest.mark.parametrize("seed", seeds(3))
def test_boosted_trees_beat_the_first_and_begin_as_those_of_scikit_learn(seed):
    tree = pytest.importorskip("sklearn.tree")
    from sklearn.ensemble import AdaBoostClassifier

    train, test, truth, asked = digits(seed, train=900)

    def learn(features, answers, weights, number):
        grown = tree.DecisionTreeClassifier(max_depth=4, random_state=number)
        return grown.fit(features, answers, sample_weight=weights).predict

    boosted = ensembles.boost(learn, train, truth, 10, 60)
    accuracy = (boosted.votes(test).argmax(1) == asked).mean()
    assert accuracy >= 0.90 and accuracy - (boosted.learners[0](test) == asked).mean() >= 0.2
    peer = AdaBoostClassifier(tree.DecisionTreeClassifier(max_depth=4), n_estimators=1, random_state=0)
    peer.fit(train, truth)
    step = ensembles.samme_step(truth, peer.estimators_[0].predict(train), np.full(900, 1 / 900), 10)
    assert step.error == pytest.approx(peer.estimator_errors_[0], abs=1e-6)
    assert step.say == pytest.approx(peer.estimator_weights_[0], abs=1e-6)


# ---------------------------------------------------------------- L3.4


@pytest.mark.answer("L3.4")
def test_a_mixture_of_three_experts():
    logits = torch.tensor([1.0, 0.0, -1.0], dtype=torch.float64)
    weights = ensembles.gates(logits)
    assert weights.tolist() == pytest.approx((0.665240956, 0.244728471, 0.090030573), **GOLDEN)
    experts = torch.tensor([(0.7, 0.3), (0.2, 0.8), (0.5, 0.5)], dtype=torch.float64)
    assert ensembles.mixture(weights, experts).tolist() == pytest.approx((0.559629650, 0.440370350), **GOLDEN)
    two = ensembles.gates(logits, top=2)
    assert two.tolist() == pytest.approx((0.731058579, 0.268941421, 0), **GOLDEN)
    assert ensembles.mixture(two, experts).tolist() == pytest.approx((0.565529289, 0.434470711), **GOLDEN)
    truth = torch.tensor([1.0, 0.0], dtype=torch.float64)
    experts = torch.tensor([(1.0, 0.0), (0.0, 1.0), (0.5, 0.5)], dtype=torch.float64)
    assert ensembles.mixture_loss(logits, experts, truth).item() == pytest.approx(0.191902415, **GOLDEN)
    found = ensembles.responsibilities(logits, experts, truth).tolist()
    assert found == pytest.approx((0.805974198, 0.109076746, 0.084949055), **GOLDEN)


@pytest.mark.answer("L3.4")
def test_an_expert_far_from_all_data_still_learns():
    experts = torch.tensor([[(60.0,), (70.0,)]], requires_grad=True)
    ensembles.mixture_loss(torch.zeros(1, 2), experts, torch.zeros(1, 1), 0.04).sum().backward()
    assert torch.isfinite(experts.grad).all() and experts.grad.abs().max() > 100


@pytest.mark.answer("L3.4")
@pytest.mark.parametrize("seed", seeds(5))
def test_two_experts_share_a_bent_line(seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, 1000)
    y = np.where(x < 0, -1.5 * x + 0.5, 2 * x - 1) + rng.normal(0, 0.1, 1000)
    given, truth = (torch.from_numpy(each).float()[:, None] for each in (x, y))

    def error(number: int) -> tuple[float, np.ndarray]:
        torch.manual_seed(seed)
        experts, gate = torch.nn.Linear(1, number), torch.nn.Linear(1, number)
        optimizer = torch.optim.Adam([*experts.parameters(), *gate.parameters()], lr=3e-2)
        for _ in range(600):
            optimizer.zero_grad()
            ensembles.mixture_loss(gate(given), experts(given)[..., None], truth, 0.04).mean().backward()
            optimizer.step()
        with torch.no_grad():
            weights = ensembles.gates(gate(given))
            answer = ensembles.mixture(weights, experts(given)[..., None])
            return float(((answer - truth) ** 2).mean()), weights.mean(0).numpy()

    alone, _ = error(1)
    shared, heard = error(2)
    assert alone >= 1.0 and shared <= 0.08 and heard.min() >= 0.3


# ---------------------------------------------------------------- L3.6


@pytest.mark.answer("L3.6")
def test_the_variance_of_an_ensemble_is_noise_and_spread():
    parts = uncertainty.decompose_gaussian(np.array([1.0, 2, 4]), np.array([0.5, 0.2, 0.1]))
    assert parts.total == pytest.approx(1.822222222, **GOLDEN)
    assert parts.aleatoric == pytest.approx(0.266666667, **GOLDEN)
    assert parts.epistemic == pytest.approx(1.555555556, **GOLDEN)


@pytest.mark.answer("L3.6")
def test_the_likelihood_of_a_number():
    found = losses.gaussian_nll(torch.tensor(1.0), torch.tensor(0.5), torch.tensor(2.0)).item()
    assert found == pytest.approx(0.653426410, **GOLDEN)
    assert found + 0.918938533 == pytest.approx(1.572364943, **GOLDEN)
    assert -torch.distributions.Normal(1.0, 0.5**0.5).log_prob(torch.tensor(2.0)).item() == pytest.approx(1.572364943)
    objective = build("objectives", "gaussian")
    raw = float(np.log(np.expm1(0.5 - 1e-6)))  # softplus gives back half, with the least deviation of a thousandth
    assert objective.loss(torch.tensor([[1.0, raw]]), torch.tensor([[2.0]])).item() == pytest.approx(
        0.653426410, abs=1e-5
    )


@pytest.mark.answer("L3.6")
def test_gaussian_answers_stand_in_the_quantitys_unit():
    from preceptor.core.evidence import Question

    years = Question("regression", "age", ("age",), exclusive=False, unit="years")
    objective = build("objectives", {"gaussian": {"centre": 60, "scale": 10}})
    raw = float(np.log(np.expm1(0.25 - 1e-6)))
    decoded = objective.decode(torch.tensor([[0.5, raw]]), years)
    assert objective.width(years) == 2
    assert decoded.probability.item() == pytest.approx(65) and decoded.variance.item() == pytest.approx(25, rel=1e-5)
    shifted = objective.loss(torch.tensor([[0.5, raw]]), torch.tensor([[70.0]]))
    assert shifted.item() == pytest.approx((np.log(0.25) + 0.25 / 0.25) / 2, abs=1e-5)


@pytest.mark.answer("L3.6")
@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds(3))
def test_members_disagree_where_they_do_not_know(seed):
    """Five networks on 300 digits, a tenth of the labels drawn anew: better together, and doubtful of noise."""
    train, test, truth, asked = digits(seed, train=300)
    rng = np.random.default_rng(seed)
    drawn = rng.random(300) < 0.1
    truth = np.where(drawn, rng.integers(0, 10, 300), truth)
    given, labels = torch.from_numpy(train).float(), torch.from_numpy(truth).long()
    noise = torch.from_numpy(rng.random((500, 64))).float()
    on_test, on_noise = [], []
    for member in range(5):
        torch.manual_seed(100 * seed + member)
        layers = torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 64), torch.nn.ReLU()
        network = torch.nn.Sequential(*layers, torch.nn.Linear(64, 10))
        optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
        for _ in range(60):
            for rows in torch.randperm(300).split(32):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(network(given[rows]), labels[rows]).backward()
                optimizer.step()
        with torch.no_grad():
            on_test.append(network(torch.from_numpy(test).float()).softmax(1).double().numpy())
            on_noise.append(network(noise).softmax(1).double().numpy())

    def nll(probability):
        return -np.log(np.maximum(probability[np.arange(len(asked)), asked], 1e-12)).mean()

    together = np.mean(on_test, axis=0)
    assert nll(together) < min(nll(each) for each in on_test)
    from preceptor.maths.roc import auroc

    epistemic = uncertainty.decompose(np.stack(on_test)).epistemic
    wrong = (together.argmax(1) != asked).astype(float)
    assert auroc(wrong, epistemic) >= 0.80
    assert uncertainty.decompose(np.stack(on_noise)).epistemic.mean() >= 5 * epistemic.mean()
