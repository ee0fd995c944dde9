"""Where each known difference between the engines is tested, or why it cannot come up: an index kept true."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]
CASES = "test_every_case_of_the_table_has_its_value_on_both_engines"
COLUMNS = "test_expressions_over_columns_agree"
ERRORS = "test_what_is_an_error_is_one_on_both_engines"
AGGREGATES = "test_every_aggregate_has_its_values_and_its_planned_type_on_both_engines"
CASTS = "test_a_cast_gives_its_values_and_its_type"
NO_CAST = "test_a_value_that_the_target_does_not_have_is_an_error"
PAIRS = "test_every_pair_of_values_compares_as_the_law_says"
SUMS = "test_a_sum_that_does_not_fit_is_an_error_on_both_engines"
TEXTS = "test_a_text_is_that_text_and_equals_itself_alone"
ZONES = "test_the_answer_is_duckdbs_in_every_zone_of_the_session"

COVERED = {
    "division by zero, truncation, sign of a remainder": (CASES, COLUMNS),
    "sum: type, overflow, intermediate overflow": (AGGREGATES, SUMS),
    "mean of decimals": (AGGREGATES,),
    "casts of numbers and of texts": (CASTS, NO_CAST, ERRORS),
    "floor and ceil of floats": (CASES, COLUMNS),
    "variance of a lone infinity": (AGGREGATES,),
    "NaN, infinities and -0.0: comparison, order, groups": (PAIRS, AGGREGATES),
    "a decimal beside a float, float literals": ("test_a_number_beside_a_decimal_is_the_decimal_that_is_written",),
    "first and last with nulls and ties": (AGGREGATES, "test_the_greatest_value_wins_a_full_tie"),
    "texts and bytes by bytes, trailing spaces": (PAIRS, "test_the_greatest_value_wins_a_full_tie"),
    "LIKE without an escape": ("test_a_pattern_knows_two_wildcards_and_no_escape", CASES),
    "upper and lower of ASCII letters alone": (COLUMNS,),
    "quotes, backslashes, variables in literals": (TEXTS, "test_a_written_literal_is_its_value"),
    "identifiers": ("test_columns_and_features_may_have_any_name", "test_views_keys_and_times_may_have_any_name"),
    "timestamps with an offset, date parts, truncation, intervals": (CASES, COLUMNS, CASTS),
    "the session's time zone": (ZONES,),
    "nanoseconds in files": ("test_nanoseconds_in_parquet_are_rounded_up_on_spark_as_on_duckdb",),
    "statistics that leave NaN out": ("test_nan_is_not_lost_to_the_statistics_of_files_and_cached_tables",),
    "percentiles, mode, lists, top_k, distinct lists": (
        AGGREGATES,
        "test_a_percentile_is_interpolated_to_the_last_bit",
    ),
    "lambdas over lists": (AGGREGATES, "test_long_lists_have_their_values"),
    "years 1 and 9999": ("test_a_typed_literal_has_its_value_and_its_type",),
}
NOT_EMITTED = {
    "round, ln, log, power, skewness, kurtosis, corr, greatest": "no entry of the function table yet",
    "regular expressions, concat, substr, date_diff, epoch": "no entry of the function table yet",
    "RANGE and GROUPS frames, QUALIFY, IGNORE NULLS, samples": "no form emits them",
    "coercion between texts, numbers and conditions": "refused by the type rules (tests/expr)",
    "TIME, intervals and nested values as operands": "refused by the type rules (tests/expr)",
}


@pytest.mark.parametrize("difference", COVERED)
def test_the_named_tests_exist(difference: str) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in HERE.rglob("test_*.py"))
    assert [name for name in COVERED[difference] if f"def {name}(" not in text] == []
    assert not set(COVERED) & set(NOT_EMITTED)
