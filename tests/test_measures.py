"""Every measure on cells of known truth: its value, its interval, and what it makes of gaps."""

import math
from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.synthetic import LENGTHS, NAN, curves, run, timed, trained
from workflow.seqbench.results import measures
from workflow.seqbench.results.selecting import EVERY, NotInRun, Run, Selection, select
from workflow.seqbench.showing import text


def of(*cells, losses=None):
    """The Selection of one model's cells."""
    cells = pd.concat(cells, ignore_index=True)
    return Selection(cells["model"].iloc[0], cells, losses)


def times(matrix, model="lstm", lengths=LENGTHS, **matrices):
    """Selection of a matrix of times (process, length), and of matrices or values beside it."""
    shape = {
        "seq_len": np.tile(lengths, len(matrix)),
        "seed": np.repeat(range(len(matrix)), len(lengths)),
    }
    more = {name: np.ravel(m) if np.ndim(m) else m for name, m in matrices.items()}
    return of(pd.DataFrame({"model": model, **shape, "time_s": np.ravel(matrix), **more}))


def in_turns(a, b, lengths=LENGTHS):
    """Selections of a model that took turns with the reference, and of the reference's own cells.

    The latter were made in windows of their own, in which everything took three times as long.
    """
    own = 3 * b[::-1]
    return (
        times(a, "a", lengths, reference="b", reference_time_s=b),
        times(own, "b", lengths, reference="b", reference_time_s=own),
    )


def noise(rng, shape=(6, 5), spread=0.05, window=0.3):
    """Two matrices of lognormal factors; `window` is what a process does to both in common."""
    shared = np.exp(window * rng.standard_normal((shape[0], 1)))
    return shared * np.exp(spread * rng.standard_normal((2, *shape)))


def t_test(a, b, paired=True):
    """(ratio, low, high) of geometric means by the t-test on logs of a textbook."""
    test = stats.ttest_rel if paired else partial(stats.ttest_ind, equal_var=False)
    bounds = test(np.log(a), np.log(b)).confidence_interval()
    return stats.gmean(a) / stats.gmean(b), math.exp(bounds.low), math.exp(bounds.high)


@pytest.fixture
def rng():
    return np.random.default_rng(1)


# Selecting


@pytest.fixture
def small():
    return run(
        timing_cells=[timed(lambda n: n, "lstm"), timed(lambda n: n, "other", mode="train")],
        recall_cells=[trained([100, NAN]), trained([50, 60], "other", 25)],
        recall_curves=[curves([100, NAN]), curves([50, 60], "other", 25)],
    )


def test_cells_are_selected_by_model_length_and_settings(small):
    selection = select(small, "timing", "lstm", 500, {"mode": "eval", "batch_size": 1})
    assert set(selection.cells["model"]) == {"lstm"} and set(selection.cells["seq_len"]) == {500}
    assert len(selection.cells) == 6 and selection.curves is None
    selection = select(small, "recall", "other", 25)
    assert set(selection.curves["model"]) == {"other"} and set(selection.curves["seq_len"]) == {25}
    assert len(select(small, "recall", EVERY).cells) == 4
    assert select(small, "recall", EVERY).at(25).curves["model"].unique().tolist() == ["other"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("decode", "lstm"), "decode was not run"),
        (("timing", "gru"), "timing has no gru"),
        (("timing", "lstm", 7), "timing has no lstm with seq_len 7"),
        (("timing", "lstm", 100, {"modus": "eval"}), "timing has no column modus"),
        (
            ("timing", "other", 100, {"mode": "eval"}),
            "timing has no other with seq_len 100, mode eval",
        ),
    ],
)
def test_what_a_run_lacks_is_said(small, arguments, said):
    with pytest.raises(NotInRun, match=f"^{said}$"):
        select(small, *arguments)


def test_a_run_of_files_reads_both_formats(tmp_path):
    frame = timed(lambda n: n, "lstm")
    frame.to_parquet(tmp_path / "timing_cells.parquet")
    frame.to_csv(tmp_path / "original_timing_cells.csv", index=False)
    files = Run.of_files(tmp_path.iterdir())
    for experiment in ("timing", "original_timing"):
        assert f"{experiment}_cells" in files
        value = measures.ratio(*[select(files, experiment, "lstm", 500)] * 2)
        assert (value.value, value.n) == (1, 6)
    assert "timing_curves" not in files


# Ratios


def test_a_ratio_is_of_what_one_process_measured_in_turns(rng):
    """The reference's own cells, made in other windows, have no say."""
    a, b = noise(rng, spread=0.01)
    model, reference = (side.at(500) for side in in_turns(2 * a, b))
    estimate = measures.ratio(model, reference)
    assert estimate[:3] == pytest.approx(t_test(2 * a[:, 1], b[:, 1]))
    assert (estimate.n, estimate.method) == (6, "paired t on logs")
    assert estimate.low < 2 < estimate.high < 1.1 * estimate.low  # the shared window cancels
    shuffled = model._replace(cells=model.cells.sort_values("time_s"))
    assert measures.ratio(shuffled, reference)[:3] == pytest.approx(estimate[:3])
    without = Selection("b", reference.cells.iloc[:0])  # the experiment need not list it
    assert measures.ratio(model, without) == estimate


def test_a_ratio_the_other_way_round_is_its_reciprocal(rng):
    model, reference = (side.at(500) for side in in_turns(*noise(rng)))
    there, back = measures.ratio(model, reference), measures.ratio(reference, model)
    assert back[:3] == pytest.approx([1 / there.value, 1 / there.high, 1 / there.low])


def test_the_reference_against_itself_is_the_noise_floor(rng):
    a, b = noise(rng, spread=0.01)
    itself = times(1.02 * a, "b", reference="b", reference_time_s=b).at(500)
    estimate = measures.ratio(itself, itself)
    assert estimate[:3] == pytest.approx(t_test(1.02 * a[:, 1], b[:, 1]))


def test_two_models_are_held_against_the_reference_that_both_had(rng):
    """Their processes are no pairs, but each is relative to what it measured itself."""
    (a, b), (c, d) = noise(rng), noise(rng)
    one = times(6 * a, "one", reference="b", reference_time_s=b).at(500)
    two = times(2 * c, "two", reference="b", reference_time_s=d).at(500)
    estimate = measures.ratio(one, two)
    assert estimate[:3] == pytest.approx(t_test((6 * a / b)[:, 1], (2 * c / d)[:, 1], False))
    assert estimate.method == "Welch t on logs" and estimate.low < 3 < estimate.high
    assert estimate.high / estimate.low < 1.5  # windows of e^0.3 cancel


def test_without_a_reference_times_are_relative_to_the_calibration_kernel(rng):
    a, b = noise(rng)
    plain = measures.ratio(times(2 * a, "a").at(500), times(b, "b").at(500))
    assert plain[:3] == pytest.approx(t_test(2 * a[:, 1], b[:, 1], False))
    assert plain.method == "Welch t on logs"
    kernels = np.exp(0.5 * rng.standard_normal((2, 6, 1)))  # what slows a process down slows it too
    first, second = (
        times(kernel * matrix, name, time_calibrated=matrix).at(500)
        for kernel, matrix, name in zip(kernels, (2 * a, b), "ab", strict=True)
    )
    assert measures.ratio(first, second) == plain


def test_a_failed_process_leaves_its_pair_out(rng):
    a, b = noise(rng)
    whole = [side.at(500) for side in in_turns(a[3:], b[3:])]
    a[:3] = NAN
    some = [side.at(500) for side in in_turns(a, b)]
    assert measures.ratio(*some)[:4] == pytest.approx(measures.ratio(*whole)[:4])
    assert measures.ratio(*some).n == 3
    a[:] = b[:] = NAN
    none = measures.ratio(*(side.at(500) for side in in_turns(a, b)))
    assert math.isnan(none.value) and none.n == 0 and none.note == "no pair was completed"


def failing(rng, failed, n=6, listed=True):
    """Selections of a model and of its reference at one length; `failed`: processes of the model."""
    a, b = noise(rng, (n, 1))
    status = np.full((n, 1), "ok", dtype=object)
    a[failed], b_in_turns, status[failed] = NAN, b.copy(), "out of memory"
    b_in_turns[failed] = NAN  # a cell that fails has no times at all
    model = times(a, "a", [500], reference="b", reference_time_s=b_in_turns, status=status)
    reference = times(b, "b", [500], reference="b", reference_time_s=b, status="ok")
    return model, reference if listed else Selection("b", reference.cells.iloc[:0])


def test_a_model_that_fails_in_every_process_is_slower_than_one_that_does_not(rng):
    """By no number: the ratio is a bound, infinity, or 0 the other way round."""
    model, reference = failing(rng, slice(None))
    slower, faster = measures.ratio(model, reference), measures.ratio(reference, model)
    assert slower[:4] == (math.inf, math.inf, math.inf, 6) and faster[:4] == (0, 0, 0, 6)
    for estimate in (slower, faster):
        assert estimate.method == "failed in each process"
        assert estimate.note == "6 not completed: out of memory"
        assert estimate.scale == ""  # it has no spread


@pytest.mark.parametrize(
    "case",
    [
        {"n": 2},  # too few to say so
        {"listed": False},  # nobody knows whether the other would have been completed
    ],
)
def test_a_failure_is_no_bound_where_too_little_is_known(rng, case):
    estimate = measures.ratio(*failing(rng, slice(None), **case))
    assert math.isnan(estimate.value) and math.isnan(estimate.low) and estimate.n == 0
    assert "not completed: out of memory" in estimate.note


def test_both_failing_decides_nothing(rng):
    model, _ = failing(rng, slice(None))
    other = model._replace(model="other", cells=model.cells.assign(model="other"))
    assert math.isnan(measures.ratio(model, other).value)


def test_some_failures_are_said_and_the_rest_is_measured(rng):
    model, reference = failing(rng, [1, 4])
    estimate = measures.ratio(model, reference)
    assert estimate.n == 4 and estimate.low < estimate.value < estimate.high < math.inf
    assert estimate.note == "2 not completed: out of memory"


def test_a_partner_that_did_not_fit_beside_the_model_is_no_failure_of_it(rng):
    """The reference has times of its own, but none in turns: there is no pair, and no bound."""
    model, reference = failing(rng, [])
    alone = model._replace(cells=model.cells.assign(reference_time_s=NAN))
    estimate = measures.ratio(alone, reference)
    assert math.isnan(estimate.value) and estimate.note == "no pair was completed"


def test_two_lengths_one_of_which_fails(rng):
    """As in: a token after 4,000 tokens over one after 100."""
    cells = times(noise(rng, (6, 2))[0] * [1, NAN], "a", [100, 4000])
    estimate = measures.ratio(cells.at(4000), cells.at(100))
    assert estimate[:4] == (math.inf, math.inf, math.inf, 6)


def test_a_ratio_of_two_columns_of_the_same_cells_is_of_pairs(rng):
    warm, other = noise(rng, spread=0.01)
    cells = times(warm, half_time_s=5 * other).at(100)
    estimate = measures.ratio(cells, cells, ["half_time_s", "time_s"])
    assert estimate[:3] == pytest.approx(t_test(5 * other[:, 0], warm[:, 0]))
    assert measures.ratio(cells, cells, "half_time_s")[:3] == (1, 1, 1)


@pytest.mark.parametrize("calls", ["cold", "steady"])
def test_ratios_of_first_calls_are_medians(rng, calls):
    """One process in six that a disk held up changes neither value nor bounds but its own."""
    warm, cold = noise(rng, spread=0.01)
    cold[5] *= 40
    cells = times(warm, cold_s=5 * cold, calls=calls).at(100)
    if calls == "cold":
        cells = cells._replace(cells=cells.cells.assign(reference="b", reference_time_s=0.2))
        estimate = measures.ratio(cells, cells._replace(model="b", cells=cells.cells.iloc[:0]))
        ratios = warm[:, 0] / 0.2
    else:
        estimate = measures.ratio(cells, cells, ["cold_s", "time_s"])
        ratios = 5 * cold[:, 0] / warm[:, 0]
    expected = np.exp(np.median(np.log(ratios))), ratios.min(), ratios.max()
    assert estimate[:3] == pytest.approx(expected) and estimate.method == "order statistics"


def test_a_ratio_of_first_calls_of_one_model_is_one(rng):
    warm, cold = noise(rng, spread=0.01)
    cells = times(warm, cold_s=5 * cold).at(100)
    assert measures.ratio(cells, cells, "cold_s")[:3] == (1, 1, 1)


def test_first_calls_of_two_models_are_no_pairs(rng):
    warm, cold = noise(rng)
    model, reference = in_turns(warm, warm)
    model.cells["cold_s"], reference.cells["cold_s"] = 5 * cold.ravel(), cold[::-1].ravel()
    estimate = measures.ratio(model.at(500), reference.at(500), "cold_s")
    assert estimate[:3] == pytest.approx(t_test(5 * cold[:, 1], cold[:, 1], False))


def test_two_lengths_of_one_model_are_no_pairs(rng):
    cells = times(np.array(LENGTHS) * noise(rng)[0])
    estimate = measures.ratio(cells.at(3000), cells.at(100))
    near, far = cells.at(100).cells["time_s"], cells.at(3000).cells["time_s"]
    assert estimate[:3] == pytest.approx(t_test(far, near, False))


def test_a_higher_confidence_is_a_wider_interval(rng):
    a, b = in_turns(*noise(rng))
    for measure in (
        measures.mean_ratio,
        lambda a, b, **c: measures.ratio(a.at(500), b.at(500), **c),
    ):
        usual, strict = measure(a, b), measure(a, b, confidence=0.99)
        assert strict.value == usual.value
        assert strict.low < usual.low < usual.high < strict.high


def test_the_mean_ratio_repeats_processes_and_not_lengths(rng):
    """A paired t-test on the geometric means of the processes, whose coverage is known."""
    a, b = noise(rng) * np.array([0.5, 0.8, 1.2, 2, 3])
    estimate = measures.mean_ratio(*in_turns(2 * a, b))
    means = (stats.gmean(x, axis=1) for x in (2 * a, b))
    assert estimate[:3] == pytest.approx(t_test(*means))
    lengths = [*LENGTHS, *(n + 1 for n in LENGTHS)]
    again = measures.mean_ratio(*in_turns(*(np.hstack([x, x]) for x in (2 * a, b)), lengths))
    assert again[:4] == pytest.approx(estimate[:4])  # more lengths are no more evidence
    assert again.n == 6


def test_the_mean_ratio_leaves_out_a_process_that_failed_and_not_its_length(rng):
    """A length is left out where most processes failed, whatever the others made of it."""
    a, b = noise(rng)
    rest = measures.mean_ratio(*in_turns(np.delete(a, 2, axis=0), np.delete(b, 2, axis=0)))
    a[2, 4] = NAN
    left = measures.mean_ratio(*in_turns(a, b))
    assert left[:4] == pytest.approx(rest[:4])
    assert left.where == "100 to 3,000 tokens" and left.n == 5
    shorter = measures.mean_ratio(*in_turns(a[:, :4], b[:, :4], LENGTHS[:4]))
    a[:4, 4] = NAN
    left = measures.mean_ratio(*in_turns(a, b))
    assert left[:4] == pytest.approx(shorter[:4])
    assert left.where == "100 to 2,000 tokens" and left.n == 6


@pytest.mark.parametrize(
    ("failed", "lengths", "processes"),
    [
        ([], LENGTHS, range(6)),
        ([(2, 4)], LENGTHS, [0, 1, 3, 4, 5]),
        ([(2, 4), (2, 0), (5, 1)], LENGTHS, [0, 1, 3, 4]),
        ([(p, 4) for p in range(4)], LENGTHS[:4], range(6)),
        ([(p, 4) for p in range(3)], LENGTHS[:4], range(6)),  # half are not most
        ([(p, 4) for p in range(4)] + [(0, 0)], LENGTHS[:4], range(1, 6)),
        ([(p, n) for p in range(6) for n in range(5)], [], range(6)),
    ],
)
def test_what_counts_as_completed(failed, lengths, processes):
    """The lengths that most processes completed, and the processes that completed all of these."""
    matrix = pd.DataFrame(1.0, index=range(6), columns=list(LENGTHS))
    for process, length in failed:
        matrix.iloc[process, length] = NAN
    left = measures.completed(matrix)
    assert (list(left.columns), list(left.index)) == (list(lengths), list(processes))
    assert left.notna().all(axis=None)


# Crossings


def test_at_the_bounds_of_a_crossing_the_ratio_is_just_not_different(rng):
    """A t-test of the interpolated logs has p = 0.05 at either bound."""
    a, b = noise(rng, spread=0.05)
    a *= np.sqrt(np.array(LENGTHS) / 800)
    model, reference = in_turns(a, b)
    found = measures.crossing(model, reference)
    assert found.low < found.value < found.high and found.where == "100 to 3,000 tokens"
    for bound in found[1:3]:
        logs = [np.interp(np.log(bound), np.log(LENGTHS), row) for row in np.log(a / b)]
        assert stats.ttest_1samp(logs, 0).pvalue == pytest.approx(0.05, abs=0.004)
    assert measures.crossing(reference, model)[:3] == pytest.approx(found[:3])


def test_crossings_that_are_none_or_many(rng):
    a, b = noise(rng, spread=0.01)
    none = measures.crossing(*in_turns(3 * a, b))
    assert math.isnan(none.value) and none.method == "no crossover in range"
    several = measures.crossing(*in_turns(np.array([0.5, 2, 2, 0.5, 0.5]) * a, b))
    assert several.note == "2 crossings" and 100 < several.value < 500


def test_a_length_that_most_processes_missed_does_not_bound_a_crossing(rng):
    a, b = noise(rng, spread=0.01)
    a *= np.sqrt(np.array(LENGTHS) / 2500)
    a[0, 4] = NAN
    found = measures.crossing(*in_turns(a, b))
    assert found.n == 5 and found.low < 2500 < found.high
    a[:4, 4] = NAN
    assert measures.crossing(*in_turns(a, b)).method == "no crossover in range"


# Growth


def test_the_slope_says_which_lengths_it_is_over(rng):
    cells = times(np.array(LENGTHS) * noise(rng)[0], lengths=LENGTHS)
    estimate = measures.slope(cells)
    assert estimate.low < 1 < estimate.high and (estimate.n, estimate.scale) == (6, "linear")
    assert estimate.where == "500 to 3,000 tokens"


def test_the_slope_is_that_of_doublings_which_one_process_measured(rng):
    """log2 of T(N) over T(N / 2), whatever happens between processes and between lengths."""
    time, half = noise(rng, spread=0.02)
    time, half = np.array(LENGTHS) ** 1.5 * time, (np.array(LENGTHS) / 2) ** 1.5 * half
    steps = np.exp(rng.standard_normal((6, 5)))  # a machine that changes between two cells
    estimate = measures.slope(times(steps * time, half_time_s=steps * half))
    slopes = np.log2(time / half)[:, 1:].mean(axis=1)
    test = stats.ttest_1samp(slopes, 0).confidence_interval()
    assert estimate[:3] == pytest.approx((slopes.mean(), test.low, test.high))
    assert estimate.value == pytest.approx(1.5, abs=0.05)
    assert estimate.where == "250 to 3,000 tokens"


def test_a_slope_without_half_lengths_is_over_the_lengths(rng):
    time = np.array(LENGTHS) ** 1.5 * noise(rng)[0]
    plain = measures.slope(times(time))
    assert measures.slope(times(time, half_time_s=NAN)) == plain
    memory = times(time, half_time_s=time, call_ram_bytes=time)
    assert measures.slope(memory, "call_ram_bytes") == plain


def test_a_length_without_memory_is_left_out_and_so_is_a_process_that_failed():
    """A call whose memory was not seen has 0 bytes; of the longest length most have a time."""
    lengths = (50, *LENGTHS, 6000)
    cells = timed(lambda n: 1e-9 * n**2, "lstm", lengths=lengths)
    cells.loc[cells["seq_len"] == 50, "time_s"] = 0
    longest = cells["seq_len"] == 6000
    cells.loc[longest & (cells["seed"] == 3), "time_s"] = NAN
    estimate = measures.slope(of(cells))
    assert estimate.value == pytest.approx(2, abs=0.02)
    assert estimate.where == "1,000 to 6,000 tokens" and estimate.n == 5
    cells.loc[longest & (cells["seed"] < 4), "time_s"] = NAN
    estimate = measures.slope(of(cells))
    assert estimate.where == "500 to 3,000 tokens" and estimate.n == 6


def growing(a, b, c):
    """A selection of three processes around a law, one of which is 30 % slower."""
    n = np.array(LENGTHS, dtype=float)
    return times(np.outer([1, 1.3, 1], a + b * n + c * n**2))


def test_the_law_is_that_of_the_geometric_means():
    fit = measures.law(growing(1e-3, 1e-5, 4e-9))
    assert (fit.a, fit.b, fit.c) == pytest.approx(1.3 ** (1 / 3) * np.array([1e-3, 1e-5, 4e-9]))
    overtakes = measures.overtakes(growing(1e-3, 1e-5, 4e-9))
    assert overtakes[:3] == pytest.approx((2500, 2500, 2500))  # all three processes follow it
    assert measures.overtakes(growing(1e-3, 1e-5, 0)).value > 1e6


@pytest.mark.parametrize(("jump", "fits"), [(1.0, True), (1.25, True), (1.5, False)])
def test_a_law_is_shown_only_where_it_misses_no_length_by_a_tenth(jump, fits):
    """Beyond 1,500 tokens all times are `jump` times as long, as after an allocator's step."""
    n = np.array(LENGTHS, dtype=float)
    cells = times(np.tile((1e-3 + 1e-5 * n) * np.where(n > 1500, jump, 1), (3, 1)))
    fit, estimate = measures.law(cells), measures.overtakes(cells)
    assert (fit.misfit < 0.1) == fits
    assert math.isnan(fit.a) != fits and math.isnan(fit.overtakes_at) != fits
    assert math.isnan(estimate.value) != fits
    if not fits:
        assert estimate.note == f"a fitted law misses by {100 * fit.misfit:.0f} %"


def test_three_lengths_are_no_test_of_a_law():
    cells = of(timed(lambda n: n, "lstm", lengths=(100, 500, 1000)))
    assert np.isnan(measures.law(cells)).all()
    assert measures.overtakes(cells).note == "below 4 lengths"


# Shares of runs


def test_a_share_has_its_exact_interval():
    estimate = measures.solved_share(of(trained([100, 200, 300, NAN, NAN])))
    assert estimate.value == 3 / 5 and estimate.n == 5
    assert estimate[1:3] == pytest.approx((0.1466, 0.9473), abs=1e-4)
    assert measures.solved_share(of(trained([100, 200, 300])), by=200).value == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("status", "steps", "by", "unknown"),
    [
        ("ok", 3000, math.inf, 0),
        ("over budget", 700, math.inf, 2),  # it might have gone on to solve the task
        ("over budget", 700, 500, 0),  # not by step 500, as was seen
        ("over budget", 300, 500, 2),
        ("diverged", 7, math.inf, 0),  # it would never have
        ("diverged", 7, 500, 0),
    ],
)
def test_a_run_out_of_time_may_be_either(status, steps, by, unknown):
    cells = trained([100, 100, NAN, NAN])
    unsolved = cells["solved_step"].isna()
    cells.loc[unsolved, ["status", "steps"]] = status, steps
    estimate = measures.solved_share(of(cells), by=by)
    assert measures.cut_short(cells, by).tolist() == [False, False, *[unknown > 0] * 2]
    assert estimate.value == 1 / 2
    exact = stats.binomtest(2, 4).proportion_ci()
    most = stats.binomtest(2 + unknown, 4).proportion_ci()
    assert estimate[1:3] == pytest.approx((exact.low, most.high))
    assert estimate.method == (f"exact, {unknown} unknown" if unknown else "exact")


def test_a_budget_below_the_step_that_is_asked_for_leaves_open_what_was_by_then():
    cells = of(trained([20, NAN, NAN], budget=60))
    assert measures.solved_share(cells, by=500).method == "exact, 2 unknown"
    assert measures.solved_share(cells).method == "exact"


@pytest.mark.parametrize(
    ("drops", "value", "lowest"),
    [
        ([20] * 6, 1, "0.00"),
        ([150] * 6, 0, "4.60"),
        ([20] * 3 + [150] * 3, 0.5, "2.30"),
        ([41] * 6, 1, "0.00"),
        ([45] * 6, 0, "1.84"),  # a mean of ten steps is not yet down
    ],
)
def test_share_of_runs_whose_loss_drops_to_zero(drops, value, lowest):
    estimate = measures.zero_loss_share(of(trained(drops), losses=curves(drops)), 0.1, 50)
    assert (estimate.value, estimate.method) == (value, "exact")
    assert estimate.note == f"loss down to {lowest}"


def test_a_training_that_ended_before_says_nothing_about_later():
    cells = trained([NAN] * 6, steps=30)
    estimate = measures.zero_loss_share(of(cells, losses=curves([NAN] * 6, steps=30)), 0.1, 50)
    assert (estimate.value, estimate.low, estimate.high) == (0, 0, 1)
    assert estimate.method == "exact, 6 unknown"


def test_a_run_that_diverged_would_not_have_dropped_to_zero():
    cells = trained([NAN] * 6, steps=30, status="diverged")
    estimate = measures.zero_loss_share(of(cells, losses=curves([NAN] * 6, steps=30)), 0.1, 50)
    assert (estimate.value, estimate.method) == (0, "exact")


@pytest.mark.parametrize(
    ("near", "far", "value", "note"),
    [
        ([200] * 6, [250] * 6, 1, "1.2 times"),
        ([200] * 6, [900] * 6, 0, "4.5 times"),
        ([200] * 6, [NAN] * 6, 0, "more than 2.5 times"),  # unsolved within 500 steps
        ([200] * 6, [250, 250, 250, 900, 900, 900], 0.5, "2.9 times"),
        ([200] * 6, [250, 250, 250, NAN, NAN, NAN], 0.5, "more than 1.9 times"),
        (
            [200] * 6,
            [250, 250, 250, 250, NAN, NAN],
            4 / 6,
            "1.2 times",
        ),  # three are above in either case
    ],
)
def test_a_censored_ratio_of_steps_is_a_bound_and_never_infinity(near, far, value, note):
    cells = of(trained(near, seq_len=25, budget=500), trained(far, budget=500))
    estimate = measures.distance_share(cells, 1.5)
    assert estimate.value == pytest.approx(value)
    assert estimate.note == f"the median run takes {note} as many"
    assert estimate.where == "25 to 100 tokens"
    assert "inf" not in estimate.note and "nan" not in estimate.note


def test_a_distance_needs_two_lengths_and_runs_that_stand_at_both():
    one = measures.distance_share(of(trained([200] * 6)), 1.5)
    assert math.isnan(one.value) and one.note == "one length only"
    uneven = of(trained([200] * 6, seq_len=25), trained([200] * 3))
    estimate = measures.distance_share(uneven, 1.5)
    assert (estimate.value, estimate.n) == (1, 3)


def test_a_near_length_that_most_runs_do_not_solve_says_nothing_about_the_distance():
    cells = of(trained([NAN] * 6, seq_len=25), trained([250] * 6))
    estimate = measures.distance_share(cells, 1.5)
    assert math.isnan(estimate.value) and estimate.n == 6
    assert estimate.note == "the median run does not solve 25 tokens"


def test_runs_at_two_lengths_are_no_pairs():
    """They share neither data nor weights: which seed is which at one of them makes no difference."""
    near, far = [100, 150, 200, 250, 300, 350], [150, 200, 300, 350, 400, 600]
    estimates = {
        measures.distance_share(of(trained(near, seq_len=25), trained(order)), 1.5)
        for order in (far, far[::-1], far[3:] + far[:3])
    }
    assert len(estimates) == 1
    assert estimates.pop().value == 3 / 6  # of six, within 1.5 times the median, 225 steps


def test_a_budget_below_the_factor_cannot_tell():
    """Unsolved within 500 steps, where 1.5 times the near length's steps are 600."""
    cells = of(trained([400] * 6, seq_len=25, budget=500), trained([NAN] * 6, budget=500))
    estimate = measures.distance_share(cells, 1.5)
    assert (estimate.low, estimate.high, estimate.method) == (0, 1, "exact, 6 unknown")


def test_a_run_out_of_time_at_the_far_length_may_be_either():
    """It is known to exceed the steps that it had, not its budget."""
    far = trained([NAN] * 6, budget=500, status="over budget", steps=220)
    estimate = measures.distance_share(of(trained([200] * 6, seq_len=25, budget=500), far), 1.5)
    assert (estimate.value, estimate.high, estimate.method) == (0, 1, "exact, 6 unknown")
    assert estimate.note == "the median run takes more than 1.1 times as many"


@pytest.mark.parametrize(
    ("shares", "steps", "value"),
    [
        ([1e-20] * 6, [NAN] * 6, 1),  # vanishes, not solved
        ([1e-2] * 6, [900] * 6, 1),  # arrives, solved
        ([1e-20] * 6, [900] * 6, 0),
        ([1e-2] * 6, [NAN] * 6, 0),
        ([1e-20, 1e-20, 1e-20, 1e-2, 1e-2, 1e-2], [900] * 6, 0.5),
    ],
)
def test_share_of_runs_that_the_gradient_predicts(shares, steps, value):
    estimate = measures.gradient_predicts(
        of(trained(steps).assign(gradient_share_initial=shares)), 1e-7
    )
    assert (estimate.value, estimate.n, estimate.scale) == (value, 6, "share")
    cut = trained(steps, status="over budget", steps=10).assign(gradient_share_initial=shares)
    unknown = sum(map(math.isnan, steps))
    assert measures.gradient_predicts(of(cut), 1e-7).method == (
        f"exact, {unknown} unknown" if unknown else "exact"
    )


# Steps and losses


@pytest.mark.parametrize(
    ("shares", "steps", "value", "note"),
    [
        ([1e-4, 1e-2, 1e-1, 1], [NAN, NAN, 50, 50], 10**-1.5, "right in 4 of 4"),
        ([1, 1e-1, 1e-2, 1e-4], [50, NAN, 50, NAN], 10**-3, "right in 3 of 4"),  # two do as well
    ],
)
def test_the_share_of_the_gradient_that_separates_best(shares, steps, value, note):
    cells = trained(steps).assign(gradient_share_initial=shares)
    estimate = measures.separating_share(of(cells))
    assert (estimate.value, estimate.note) == (pytest.approx(value), note)
    assert estimate.n == 4 and math.isnan(estimate.low)  # it was chosen to fit
    cut = cells.assign(status="over budget", steps=7)
    assert measures.separating_share(of(cut[cut["solved_step"].isna()])).n == 0


def test_a_looser_criterion_counts_runs_that_passed_once():
    cells = trained([100, NAN, NAN]).assign(solved_step_loose=[75, 900, NAN], steps=1000)
    assert measures.solved_share(of(cells)).method == "exact, 2 unknown"
    loose = measures.solved_share(of(cells), loose=True)
    assert (loose.value, loose.method) == (pytest.approx(2 / 3), "exact, 1 unknown")


def test_a_median_of_a_share_stays_one():
    cells = trained([1] * 4).assign(accuracy_2x=[0.99, 1, 1, 1], final_loss=[0.99, 1, 1, 1])
    assert (
        measures.median(of(cells), "accuracy_2x").high
        == 1
        < measures.median(of(cells), "final_loss").high
    )


def test_steps_to_solve_are_censored_where_a_run_ended():
    """A run that had no time may have solved it in the next step; one that diverged never would."""
    steps = [10, 20, 30, 40, 50, NAN]
    cells = trained(steps, budget=500)
    assert measures.steps_to_solve(of(cells))[:3] == (35, 10, math.inf)
    cells.loc[5, ["status", "steps"]] = "over budget", 5
    assert measures.steps_to_solve(of(cells))[:3] == (30, 5, math.inf)
    cells.loc[5, "status"] = "diverged"
    assert measures.steps_to_solve(of(cells))[:3] == (35, 10, math.inf)


def test_unsolved_steps_are_printed_as_a_bound():
    estimate = measures.steps_to_solve(of(trained([300, 300, NAN, NAN, NAN, NAN])))
    assert estimate.limit == 3000
    shown = text.steps_interval(*estimate[:3], estimate.limit)
    assert shown == "more than 3,000 [300, more than 3,000]"


def test_how_many_times_the_steps_where_both_solve_every_seed():
    """Geometric means, seed by seed: a t-test on the logs."""
    a, b = [300, 420, 610, 800, 1200, 500], [100, 140, 200, 260, 410, 160]
    estimate = measures.steps_ratio(of(trained(a, "a")), of(trained(b, "b")))
    assert estimate[:3] == pytest.approx(t_test(a, b))
    assert (estimate.n, estimate.method, estimate.scale) == (6, "paired t on logs", "log")
    shuffled = of(trained(a, "a").iloc[::-1])
    assert measures.steps_ratio(shuffled, of(trained(b, "b"))) == estimate
    fewer = of(trained(b, "b").iloc[1:4])  # seeds that both have
    assert measures.steps_ratio(of(trained(a, "a")), fewer)[:3] == pytest.approx(
        t_test(a[1:4], b[1:4])
    )


def censored(steps, budget=1000):
    """Cells that train for `budget` steps at most: what takes longer is not solved."""
    solved = np.where(np.array(steps) <= budget, steps, NAN)
    known = {"seed": range(len(solved)), "status": "ok", "steps": budget, "budget_steps": budget}
    return Selection("a", pd.DataFrame(known | {"solved_step": solved}))


def test_steps_of_seeds_that_one_model_does_not_solve_are_bounds():
    """Truth 5 times as many, of which a budget of 1,000 steps hides the longer ones."""
    b = np.array([100, 150, 180, 220, 300, 400])
    estimate = measures.steps_ratio(censored(5 * b), censored(b))
    assert (estimate.value, estimate.low, estimate.high) == (math.inf, 1000 / 400, math.inf)
    # The lower bounds: 5, 5, 5 and 1000 over 220, 300, 400; at least half of the seeds exceed them.
    assert estimate.limit == pytest.approx((1000 / 220 + 5) / 2) and estimate.limit < 5
    back = measures.steps_ratio(censored(b), censored(5 * b))
    assert back[:3] == pytest.approx([220 / 1000 / 2 + 1 / 10, 0, 400 / 1000])
    assert back.low <= 1 / 5 <= back.high
    mostly = measures.steps_ratio(censored(5 * b, 1500), censored(b, 1500))
    assert mostly[:3] == (5, 1500 / 400, math.inf)  # four of six are known to take five times


def test_what_neither_model_solves_says_nothing_about_their_steps():
    never = measures.steps_ratio(censored([2000] * 6), censored([2000] * 6))
    assert (never.low, never.high) == (0, math.inf)
    some = measures.steps_ratio(censored([200] * 3 + [2000] * 3), censored([100] * 3 + [2000] * 3))
    assert (some.low, some.high) == (0, math.inf)  # three of six may be anything


def test_the_interval_of_a_censored_ratio_of_steps_holds_the_truth(rng):
    """Six seeds of which the budget hides any: order statistics hold 97 % of medians, or more."""
    a, b = np.exp(6 + 0.8 * rng.standard_normal((2, 200, 6)))
    pairs = zip(3 * a, b, strict=True)
    found = [measures.steps_ratio(censored(x, 900), censored(y, 900)) for x, y in pairs]
    assert np.mean([e.low <= 3 <= e.high for e in found]) > 0.94
    assert np.mean([math.isinf(e.high) for e in found]) < 1  # which is not for want of an interval


def test_a_run_out_of_time_is_known_to_exceed_the_steps_that_it_had():
    cells = trained([NAN] * 6, budget=1000, status="over budget", steps=300)
    estimate = measures.steps_ratio(of(cells), of(trained([100] * 6)))
    assert (estimate.limit, estimate.low) == (3, 3)
    diverged = measures.steps_ratio(of(cells.assign(status="diverged")), of(trained([100] * 6)))
    assert (diverged.limit, diverged.low) == (10, 10)  # it would never have been solved


def test_few_seeds_that_are_not_solved_have_no_interval():
    some, all_ = censored([500, 2000, 2000]), censored([100, 100, 100])
    estimate = measures.steps_ratio(some, all_)
    assert math.isinf(estimate.value) and estimate.limit == 10
    for one in (estimate, measures.steps_ratio(all_, some)):
        assert math.isnan(one.low) and math.isnan(one.high)
        assert one.method == "not enough runs (n = 3)"
    assert math.isnan(
        measures.steps_ratio(of(trained([100])), of(trained([100]).assign(seed=9))).value
    )


def test_loss_at_a_step_is_a_mean_of_ten_steps_and_speaks_of_failures():
    step = np.arange(1, 601)
    losses = pd.DataFrame({"seed": 0, "step": step, "train_loss": step / 100})

    def loss(steps, solved=NAN, status="ok"):
        cells = trained([solved], steps=steps, status=status)
        return measures.loss_at(of(cells, losses=losses[losses["step"] <= steps]), 500)

    assert loss(600).value == pytest.approx(4.955)  # steps 491 to 500
    assert math.isnan(loss(60).value) and loss(60).method == "a run ended before"
    assert loss(60, solved=40).value == pytest.approx(0.555)
    assert math.isinf(loss(60, status="diverged").value)


def test_loss_of_a_run_without_curves_is_its_last():
    printed = pd.DataFrame({"model": ["lstm"], "final_train_loss_nats": [4.6341]})
    assert measures.loss_at(of(printed), 500)[:4:3] == (4.6341, 1)


def test_margin_over_the_floor_is_the_least_of_any_run():
    losses = curves([NAN] * 3, steps=20)
    losses.loc[(losses["seed"] == 1) & (losses["step"] <= 10), "train_loss"] = 4.0
    losses.loc[losses["step"] > 10, "train_loss"] = 0  # later steps do not count
    estimate = measures.margin_over_floor(of(trained([NAN] * 3), losses=losses), 10)
    assert estimate.value == pytest.approx(4.0 - 4.031)
    assert estimate.note == "least: lstm, 100 tokens"


def test_a_median_counts_what_is_there():
    estimate = measures.median(
        of(trained([1] * 6).assign(final_loss=[1, 2, 3, 4, 9, NAN])), "final_loss"
    )
    assert (estimate.value, estimate.n) == (3, 5)
