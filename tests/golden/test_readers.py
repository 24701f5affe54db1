"""Known answers of readers: agreement, intraclass correlation, several readers of several cases."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.maths.agreement import FORMS, cohen_kappa, cross_table, fleiss_kappa, icc, mean_squares
from preceptor.maths.reader_study import dorfman_berbaum_metz, obuchowski_rockette

GOLDEN = {"abs": 1e-6}
THREE = np.array([[10, 3, 1], [2, 12, 4], [0, 3, 15]])
FLEISS = """0 0 0 0 14 / 0 2 6 4 2 / 0 0 3 5 6 / 0 3 9 2 0 / 2 2 8 1 1 / 7 7 0 0 0 / 3 2 6 3 0 / 2 5 3 2 2 / 6 5 2 1 0 / 0 2 2 3 7"""
SHROUT = np.array([(9, 2, 5, 8), (6, 1, 3, 2), (8, 4, 6, 8), (7, 1, 2, 6), (10, 5, 6, 9), (6, 2, 4, 7)])

VAN_DYKE = (
    (
        "122151111111411111111131311214111113121211233131133111111221111332111555545554555434245555555154454553555115554451",
        "232222222322522232222222422223222222222222222222222222222432232222222535555542555442225555555243354552425225555352",
        "222235112242422232221232411322112224121412112222223211211221151421212545555555555542355555555252255552555225555552",
        "111111311111111111112111211112111111111111111111331111111111111311111555555555555555155555555554544553555125555555",
        "351211112221211122113221111211211231221113332111211111111341231212113525255551545452235555554144322151515115553552",
    ),
    (
        "333222223213122222211111421312214323123122233111333113412421241442111535555554555544335555555355355554455535555551",
        "322222223222222122221222322222212212222231223222222222322322222222122535555552555344245455545252355532425525555552",
        "242222322211132222121121411512112122212221132111233113221232341242121525555555555354145555555253355543555534555551",
        "221111312111122111211111321212111122112111112121212211111212111323211545555554555455555555555455445555555535555555",
        "223122221222111222122212322321212222112121132122332122221222231233111525455555455343335555555251332532545533555553",
    ),
)


def ratings(tests) -> np.ndarray:
    """``(test, reader, case)`` of one digit a case."""
    return np.array([[list(map(int, line)) for line in readers] for readers in tests])


@pytest.mark.answer("L14.9")
def test_kappa_of_two_readers():
    assert cohen_kappa(np.array([[20, 5], [10, 15]])).value == pytest.approx(0.4, **GOLDEN)
    found = [cohen_kappa(THREE, weights).value for weights in ("none", "linear", "quadratic")]
    assert found == pytest.approx([0.605582524, 0.673507463, 0.744897959], **GOLDEN)


@pytest.mark.answer("L14.9")
def test_kappa_of_fourteen_readers():
    counts = np.array([list(map(int, row.split())) for row in FLEISS.split("/")])
    assert fleiss_kappa(counts).value == pytest.approx(0.209930704, **GOLDEN)


@pytest.mark.answer("L14.9")
def test_a_table_counts_the_first_reader_along_its_rows():
    table = cross_table(np.array([0, 0, 2, 1]), np.array([0, 1, 2, 2]), 3)
    assert table.tolist() == [[1, 1, 0], [0, 0, 1], [0, 0, 1]]


@pytest.mark.answer("L14.10")
def test_the_six_intraclass_correlations_of_shrout_and_fleiss():
    squares = mean_squares(SHROUT)
    assert squares == pytest.approx((11.241666667, 32.486111111, 1.019444444, 6.263888889), **GOLDEN)
    published = (0.165741768, 0.289763780, 0.714840715, 0.442797134, 0.620050548, 0.909315542)
    assert [icc(SHROUT, form).value for form in FORMS] == pytest.approx(published, **GOLDEN)
    assert icc(SHROUT, "2,k").form == "ICC(2,k)"


@pytest.mark.answer("L14.10")
def test_the_intervals_of_the_six():
    """As R's `psych::ICC` prints them for the same table, which rounds to two or three decimals."""
    printed = {
        "1,1": (-0.133, 0.72),
        "2,1": (0.019, 0.76),
        "3,1": (0.342, 0.95),
        "1,k": (-0.884, 0.91),
        "2,k": (0.071, 0.93),
        "3,k": (0.676, 0.99),
    }
    for form, (lower, upper) in printed.items():
        found = icc(SHROUT, form)
        assert found.lower == pytest.approx(lower, abs=6e-4)
        assert found.upper == pytest.approx(upper, abs=6e-3)


@pytest.mark.answer("L14.11")
def test_two_tests_three_readers_twelve_cases():
    scores = ratings(
        (
            ("433423121223", "441333131142", "453333133133"),
            ("455344242242", "544344341131", "455443252233"),
        )
    )
    truth = np.repeat([1, 0], 6)
    found = obuchowski_rockette(truth, scores)
    areas = [[0.888888889, 0.722222222, 0.777777778], [0.861111111, 0.888888889, 0.833333333]]
    assert found.areas == pytest.approx(np.array(areas), **GOLDEN)
    spread = (found.variance, found.covariance_1, found.covariance_2, found.covariance_3)
    assert spread == pytest.approx((0.014909979, 0.002631173, 0.006945730, 0.003310185), **GOLDEN)
    assert (found.tests, found.interaction) == pytest.approx((0.006301440, 0.004758230), **GOLDEN)
    random = found.random
    assert (random.statistic, random.freedom, random.p) == pytest.approx((0.402266, 21.676663, 0.532558), **GOLDEN)
    # Here the difference is of the first test minus the second.
    told = (-random.difference, random.error, -random.upper, -random.lower)
    assert told == pytest.approx((0.064815, 0.102192, -0.147302, 0.276932), **GOLDEN)
    assert dorfman_berbaum_metz(truth, scores) == pytest.approx(random.statistic, rel=1e-9)


@pytest.mark.answer("L14.11")
def test_van_dyke_as_published():
    scores = ratings(VAN_DYKE)
    truth = np.repeat([0, 1], (69, 45))
    found = obuchowski_rockette(truth, scores)
    areas = [
        [0.91964573, 0.85877617, 0.90386473, 0.97310789, 0.82979066],
        [0.94782609, 0.90531401, 0.92173913, 0.99935588, 0.92995169],
    ]
    assert found.areas == pytest.approx(np.array(areas), abs=1e-8)
    spread = (found.variance, found.covariance_1, found.covariance_2, found.covariance_3)
    assert spread == pytest.approx((0.00080229, 0.00034661, 0.00034407, 0.00023903), abs=1e-8)
    assert (found.tests, found.interaction) == pytest.approx((0.00479617, 0.00055103), abs=1e-8)
    random = found.random
    assert (random.statistic, random.freedom, random.p) == pytest.approx((4.456319, 15.259675, 0.051666), **GOLDEN)
    interval = (random.difference, random.error, random.lower, random.upper)
    assert interval == pytest.approx((-0.04380032, 0.02074862, -0.08795950, 0.00035885), abs=1e-8)
    fixed, cases = found.fixed_readers, found.fixed_cases
    assert (fixed.statistic, fixed.p) == pytest.approx((5.475953, 0.019280), **GOLDEN)
    assert (cases.statistic, cases.freedom, cases.p) == pytest.approx((8.704000, 4, 0.041959), **GOLDEN)
    assert dorfman_berbaum_metz(truth, scores) == pytest.approx(random.statistic, rel=1e-9)


@pytest.mark.answer("L14.11")
def test_a_negative_difference_of_covariances_is_cut_at_zero():
    rng = np.random.default_rng(5)
    truth = np.repeat([1, 0], 20)
    shared = rng.normal(size=(2, 2, 40))
    # The two readers see opposite things in one test, the same things across tests.
    scores = np.stack([[shared[0, 0], shared[1, 1]], [shared[1, 1], shared[0, 0]]]) + 0.3 * truth
    scores[0] += 0.6 * truth
    found = obuchowski_rockette(truth, scores)
    assert found.covariance_2 < found.covariance_3 and found.tests > 0.001
    assert found.random.statistic == pytest.approx(found.tests / found.interaction)
    assert found.fixed_readers.statistic == pytest.approx(found.tests / (found.variance - found.covariance_1))
    assert dorfman_berbaum_metz(truth, scores) == pytest.approx(found.random.statistic, rel=1e-9)
