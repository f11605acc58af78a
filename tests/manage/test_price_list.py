"""Price lists: how a file is read, what is said of lines that are wrong, and that what is written is read."""

from __future__ import annotations

import csv
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sipguard.manage.price_list import NAMES, PriceList, PriceListError, Problem, Row, cells
from sipguard.model.rate import ALL_DAYS, PLAIN_TERMS, Rate, Tier, Window
from sipguard.policy.rating import charge

FULL = """\
Prefix,Destination,Rate,Connect Fee,Initial,Next,Grace,Minimum-Seconds,minimum_charge,Tiers,Valid from,\
Valid till,Days,Hours
8801,"Bangladesh, mobile",1.25,0.1,30,6,3,12,0.5,600:0.9 1800:0.5,2026-12-01,2027-01-01T00:00:00+06:00,\
mon-fri sun,22:00-06:00

*,,2,,,,,,,,,,,
"""


def read(path: Path, content: str | bytes, zone: str = "UTC") -> list[Row | Problem]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with PriceList(path, UTC if zone == "UTC" else ZoneInfo(zone)) as prices:
        return list(prices)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "prices.csv"


def test_every_column(file: Path) -> None:
    first, second = read(file, FULL, "Asia/Dhaka")
    dhaka_midnight = 1_796_083_200 - 6 * 3600  # 2026-12-01 in UTC, less the offset
    assert first == Row(
        2,
        Rate(
            0, 0, "8801", "Bangladesh, mobile", 100_000, 30, 6, 1_250_000, 3, 12, 500_000,
            (Tier(600, 900_000), Tier(1800, 500_000)),
            Window(dhaka_midnight, dhaka_midnight + 31 * 86_400, 0b101_1111, 22 * 60, 6 * 60),
        ),
    )  # fmt: skip
    assert second == Row(4, Rate(0, 0, "", "", 0, 1, 1, 2_000_000))


def test_a_price_behind_the_first_increment_is_a_tier(file: Path) -> None:
    """By the names that other billing systems have for them."""
    content = "prefix,initial_interval,next_interval,initial_rate,next_rate,tiers\n"
    lines = [
        "1,60,6,1.5,0.9,",
        "2,60,6,1.5,1.5,",
        "3,60,6,1.5,0.9,600:0.5",
        "4,60,6,1.5,,",
        "5,60,6,1.5,0.9,60:0.5",
    ]
    *rows, problem = read(file, content + "\n".join(lines))
    assert all(isinstance(row, Row) for row in rows)
    told = [row.rate for row in rows if isinstance(row, Row)]
    assert {(one.initial_seconds, one.next_seconds, one.rate_micros) for one in told} == {(60, 6, 1_500_000)}
    assert [one.tiers for one in told] == [
        (Tier(60, 900_000),),
        (),
        (Tier(60, 900_000), Tier(600, 500_000)),
        (),
    ]
    assert [charge(told[0], seconds * 1_000).micros for seconds in (60, 61)] == [1_500_000, 1_590_000]
    assert isinstance(problem, Problem)
    assert str(problem) == "line 6, tiers: found '60:0.50', expected seconds beyond initial, with next_rate"
    with file.open("w") as out:
        csv.writer(out).writerows([NAMES, cells(told[2])])
    assert read(file, file.read_bytes()) == [Row(2, told[2])]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_delimiter_is_found_out(file: Path, delimiter: str, newline: str, mark: str) -> None:
    lines = [["RATE", "Destination", "prefix"], ["0.01", "A;B,C|D", "1"]]
    content = mark + newline.join(delimiter.join(f'"{cell}"' for cell in line) for line in lines)
    (row,) = read(file, content)
    assert isinstance(row, Row)
    assert (row.line, row.rate.prefix, row.rate.destination, row.rate.rate_micros) == (
        2,
        "1",
        "A;B,C|D",
        10_000,
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "found no column prefix"),
        ("prefix\n1\n", "found no column rate"),
        ("prefix,rate,prefix\n", "found the column prefix twice"),
        (
            "prefix,rate,destinaton\n",
            "a column 'destinaton' that means nothing here, did you mean destination",
        ),
        ("prefix,rate,zzz\n", "expected one of prefix, destination, rate"),
        (b"prefix,rate\xff\n", "not a line of UTF-8 text"),
        ("1,0.5\n", "means nothing here"),
    ],
)
def test_a_file_that_is_no_price_list(file: Path, content: str | bytes, says: str) -> None:
    with pytest.raises(PriceListError, match="line 1: ") as raised:
        read(file, content)
    assert says in str(raised.value)


def test_a_file_that_is_not_there(file: Path) -> None:
    with pytest.raises(PriceListError, match="cannot be read: No such file"):
        PriceList(file, UTC)


WRONG = [
    # column, cell, what is said
    ("prefix", "+880", 'at most 18 digits, in quotes, without "+", or "*"'),
    ("prefix", "1234567890123456789", "at most 18 digits"),
    ("prefix", "", "at most 18 digits"),
    ("prefix", "٣", "at most 18 digits"),
    ("rate", "", 'an amount with a point such as "1.25"'),
    ("rate", "1,25", "an amount"),
    ("rate", "-1", "an amount"),
    ("rate", "1e3", "an amount"),
    ("rate", "0.0000001", "at most 6 decimals"),
    ("rate", "99999999999999", "an amount"),
    ("connect_fee", "free", "an amount"),
    ("initial", "0", "whole seconds from 1 to 86400"),
    ("next", "1.5", "whole seconds from 1 to 86400"),
    ("grace", "-1", "whole seconds from 0 to 86400"),
    ("minimum_seconds", "86401", "whole seconds from 0 to 86400"),
    ("minimum_charge", "x", "an amount"),
    ("tiers", "600", "seconds and price per minute from there on, ascending"),
    ("tiers", "600:1 600:2", "ascending"),
    ("tiers", "0:1", "ascending"),
    ("valid_from", "01.12.2026", 'a date "2026-12-31"'),
    ("valid_till", "2020-01-01", "after valid_from"),
    ("days", "monday", 'days of the week such as "mon-fri"'),
    ("days", "mon-", "days of the week"),
    ("hours", "8-20", 'hours such as "08:00-20:00"'),
    ("hours", "08:00-08:00", "hours"),
    ("hours", "25:00-08:00", "hours"),
    ("destination", "x" * 201, "text of at most 200 characters"),
    ("destination", "a\x1b[2J", "text"),
]


@pytest.mark.parametrize(("column", "cell", "says"), WRONG)
def test_a_wrong_cell_is_told_with_its_line_and_what_was_expected(
    file: Path, column: str, cell: str, says: str
) -> None:
    good = {"prefix": "1", "rate": "1", "valid_from": "2026-01-01"}
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, NAMES)
        writer.writeheader()
        writer.writerows([good, good | {column: cell}, good])
    before, problem, after = read(file, file.read_bytes())
    assert isinstance(problem, Problem)
    assert (problem.line, problem.column) == (3, column)
    assert says in problem.expected
    assert isinstance(before, Row)
    assert isinstance(after, Row)


def test_lines_that_are_not_as_long_as_the_first(file: Path) -> None:
    short, long = read(file, "prefix,rate\n1\n1,2,3\n")
    assert str(short) == "line 2: found '1 cells', expected 2, as in line 1"
    assert str(long) == "line 3: found '3 cells', expected 2, as in line 1"


def test_line_numbers_are_those_of_an_editor(file: Path) -> None:
    found = read(file, 'prefix,rate,destination\n\n1,1,"a"\n\n2,x,b\n')
    assert [told.line for told in found] == [3, 5]


def test_a_quotation_mark_that_is_lost_is_a_problem_and_no_row_of_a_million_lines(file: Path) -> None:
    found = read(file, 'prefix,rate,destination\n1,1,"lost\n' + "2,1,b\n" * 1000)
    assert any(isinstance(told, Problem) and "quotation" in told.expected for told in found)


def test_bytes_that_are_no_text_end_the_reading(file: Path) -> None:
    found = read(file, b"prefix,rate,destination\n" + b"1,1,a\n" * 5000 + b"2,1,\xff\n" + b"3,1,c\n" * 5000)
    last = found[-1]
    assert isinstance(last, Problem)
    assert "UTF-8" in last.expected


MICROS = st.integers(0, 10**12)
WINDOWS = st.builds(
    Window,
    valid_from=st.one_of(st.just(0), st.integers(1, 2**31)),
    valid_till=st.one_of(st.none(), st.integers(2**31 + 1, 2**32)),
    days=st.integers(1, ALL_DAYS),
    from_minute=st.integers(0, 1439),
    till_minute=st.integers(1, 1440),
).filter(lambda window: window.from_minute != window.till_minute)
RATES = st.builds(
    Rate,
    key=st.just(0),
    table_key=st.just(0),
    prefix=st.from_regex("[0-9]{0,18}", fullmatch=True),
    destination=st.text(st.characters(exclude_categories=("C", "Z")), max_size=30),
    connect_fee_micros=MICROS,
    initial_seconds=st.integers(1, 86_400),
    next_seconds=st.integers(1, 86_400),
    rate_micros=MICROS,
    grace_seconds=st.integers(0, 86_400),
    minimum_seconds=st.integers(0, 86_400),
    minimum_micros=MICROS,
    tiers=st.dictionaries(st.integers(1, 86_400), MICROS, max_size=3).map(
        lambda prices: tuple(Tier(*tier) for tier in sorted(prices.items()))
    ),
    window=st.one_of(st.just(Window()), WINDOWS),
    terms=st.just(PLAIN_TERMS),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(RATES, max_size=5))
def test_what_is_written_is_read(file: Path, rates: list[Rate]) -> None:
    with file.open("w", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(NAMES)
        writer.writerows(map(cells, rates))
    found = read(file, file.read_bytes(), "Asia/Dhaka")
    assert [told.rate if isinstance(told, Row) else told for told in found] == rates
