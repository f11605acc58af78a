"""One policy, written out for every proxy that is measured: the same accounts, agents and prefixes for all.

1,000 customers below 50 resellers below 5 roots, about 12,000 prefix rules, prepaid balances, one gateway
with a capacity. A customer is known by the source address of its calls. Within a level the longest matching
prefix wins; every level of the chain must allow.

What sipguard does beyond this, and pays for in its figures: rates at three levels and the vendor's, holds at
every level, the charge of every level in a journal, and a record of every call, refused ones too, committed
to disk before the answer is relayed.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOTS, RESELLERS, CUSTOMERS = 5, 50, 1000
RULES_OF_ROOT, RULES_OF_RESELLER, RULES_OF_CUSTOMER = 80, 30, 8
CALLS = 4000

# Blocked at every root, that is at the far end of every chain: the dearest refusal by prefix.
BLOCKED_PREFIX = "88213"
# Blocked at every customer, the first level that is asked.
BLOCKED_AT_ONCE_PREFIX = "88216"
BALANCE_UNITS = 1_000_000
CAPACITY = 100_000

# Country codes of ITU-T E.164 that the numbers called and the rules start with.
_CODES = """
1 7 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81
82 84 86 90 91 92 93 94 95 98 212 213 216 218 220 221 222 223 224 225 226 227 228 229 230 231 233 234 235
236 237 251 252 254 255 256 257 258 260 261 263 264 265 266 267 350 351 352 353 354 355 356 357 358 359
370 371 372 373 374 375 376 377 380 381 382 385 386 387 389 420 421 423 500 501 502 503 504 505 506 507
509 590 591 592 593 595 598 670 673 674 675 676 677 679 852 853 855 856 880 886 960 961 962 963 964 965
966 967 968 970 971 972 973 974 975 976 977 992 993 994 995 996 998
"""
COUNTRY_CODES = _CODES.split()


@dataclass(frozen=True)
class Policy:
    """Accounts are numbers: customers from 1000, resellers from 2000, roots from 3000."""

    parents: dict[int, int]
    """Of customers and resellers."""
    rules: dict[int, dict[str, bool]]
    """Prefix to allowed, per account; a number that no prefix matches is allowed."""
    sources: dict[int, str]
    """Address that each customer calls from."""
    allowed: list[tuple[int, str]]
    """Calls that every level allows: customer, number."""
    blocked: list[tuple[int, str]]
    """Calls that a root blocks."""

    def chain(self, account: int) -> Iterator[int]:
        """The account and everybody above it."""
        yield account
        while (parent := self.parents.get(account)) is not None:
            yield (account := parent)

    def allows(self, account: int, number: str) -> bool:
        """The oracle that the calls are chosen by."""
        return all(self._level_allows(level, number) for level in self.chain(account))

    def _level_allows(self, account: int, number: str) -> bool:
        rules = self.rules[account]
        prefixes = (number[:length] for length in range(len(number), 0, -1))
        return next((rules[prefix] for prefix in prefixes if prefix in rules), True)


def make(seed: int = 20_240_607) -> Policy:
    """The policy; the same for the same seed."""
    chance = random.Random(seed)
    roots = range(3000, 3000 + ROOTS)
    resellers = range(2000, 2000 + RESELLERS)
    customers = range(1000, 1000 + CUSTOMERS)
    parents = {reseller: roots[index % ROOTS] for index, reseller in enumerate(resellers)}
    parents |= {customer: resellers[index % RESELLERS] for index, customer in enumerate(customers)}
    rules = {
        account: _rules(chance, count)
        for accounts, count in (
            (customers, RULES_OF_CUSTOMER),
            (resellers, RULES_OF_RESELLER),
            (roots, RULES_OF_ROOT),
        )
        for account in accounts
    }
    for root in roots:
        rules[root][BLOCKED_PREFIX] = False
    for customer in customers:
        rules[customer][BLOCKED_AT_ONCE_PREFIX] = False
    sources = {
        customer: f"127.77.{index // 250}.{index % 250 + 1}" for index, customer in enumerate(customers)
    }
    policy = Policy(parents, rules, sources, [], [])
    for _ in range(CALLS):
        customer = chance.choice(customers)
        policy.allowed.append((customer, _allowed_number(chance, policy, customer)))
        policy.blocked.append((customer, BLOCKED_PREFIX + _digits(chance, 8)))
    return policy


def write_calls(policy: Policy, calls: Iterable[tuple[int, str]], file: Path) -> None:
    """The call file of sipload: source;user;number."""
    file.write_text(
        "".join(f"{policy.sources[customer]};u{customer};{number}\n" for customer, number in calls)
    )


def write_kamailio(policy: Policy, directory: Path) -> None:
    """Tables in Kamailio's db_text format, for kamailio/policy.cfg."""
    directory.mkdir(parents=True, exist_ok=True)
    accounts = sorted(policy.rules)
    _htable(directory / "ht_acct", ((address, customer) for customer, address in policy.sources.items()))
    _htable(directory / "ht_par", sorted(policy.parents.items()))
    _htable(directory / "ht_bal", ((account, BALANCE_UNITS) for account in accounts), numbers=True)
    _htable(directory / "ht_cap", [("gw1", CAPACITY)], numbers=True)
    rows = [
        (f"{account}{prefix}", "A" if allowed else "D")
        for account in accounts
        for prefix, allowed in {"": True, **policy.rules[account]}.items()
    ]
    _table(directory / "mt_lim", ["tprefix(string)", "tvalue(string)"], rows)
    versions = [(name, 2) for name in ("ht_acct", "ht_par", "ht_bal", "ht_cap")]
    versions += [("mt_lim", 1), ("acc", 5), ("cdrs", 1), ("missed_calls", 4)]
    _table(directory / "version", ["table_name(string)", "table_version(int)"], versions)


def sipguard_data(policy: Policy, gateway: tuple[str, int]) -> str:
    """A data set for `sipguard init`."""
    return "\n".join(_sipguard_tables(policy, gateway))


def _sipguard_tables(policy: Policy, gateway: tuple[str, int]) -> Iterator[str]:
    yield 'currency = "USD"'
    for table, rate in (("root", "0.010"), ("reseller", "0.012"), ("customer", "0.015"), ("vendor", "0.008")):
        rates = ",\n".join(
            f'  {{ prefix = "{code}", destination = "+{code}", connect_fee = "0", '
            f'initial = 1, next = 1, rate = "{rate}" }}'
            for code in [*COUNTRY_CODES, "882"]
        )
        yield f'[[rate_table]]\nid = "{table}"\nrates = [\n{rates}\n]'
    # Agents before those who name them.
    for account in sorted(policy.rules, reverse=True):
        parent = policy.parents.get(account)
        agent = "" if parent is None else f'agent = "{parent}"\n'
        table = {1: "customer", 2: "reseller", 3: "root"}[account // 1000]
        sections = ",\n".join(
            f'  {{ direction = "called", action = "{"allow" if allowed else "block"}", prefix = "{prefix}" }}'
            for prefix, allowed in {"": True, **policy.rules[account]}.items()
        )
        yield (
            f'[[account]]\nid = "{account}"\nname = "Account {account}"\n{agent}rate_table = "{table}"\n'
            f'credit_limit = "0"\nsections = [\n{sections}\n]'
        )
        yield f'[[payment]]\naccount = "{account}"\namount = "{BALANCE_UNITS}"\nkey = "bench-{account}"'
    for customer, address in policy.sources.items():
        yield (
            f'[[mapping_gateway]]\nid = "trunk-{customer}"\naccount = "{customer}"\nsources = ["{address}"]\n'
            f"capacity = {CAPACITY}"
        )
    yield (
        f'[[routing_gateway]]\nid = "gw1"\nhost = "{gateway[0]}"\nport = {gateway[1]}\n'
        f"capacity = {CAPACITY}\n"
        'cost_table = "vendor"\nroutes = [{ prefix = "", priority = 1 }]\n'
    )


def _rules(chance: random.Random, count: int) -> dict[str, bool]:
    rules: dict[str, bool] = {}
    while len(rules) < count:
        rules[chance.choice(COUNTRY_CODES) + _digits(chance, chance.randint(0, 5))] = chance.random() >= 0.8
    return rules


def _allowed_number(chance: random.Random, policy: Policy, customer: int) -> str:
    while True:
        code = chance.choice(COUNTRY_CODES)
        # No 0 or 1 behind a country code: policy takes it for a trunk prefix (policy/number.py).
        number = code + chance.choice("23456789") + _digits(chance, chance.randint(10, 12) - len(code))
        if policy.allows(customer, number):
            return number


def _digits(chance: random.Random, count: int) -> str:
    return "".join(chance.choice("0123456789") for _ in range(count))


def _htable(file: Path, rows: Iterable[tuple[object, object]], *, numbers: bool = False) -> None:
    columns = [
        "id(int,auto)",
        "key_name(string)",
        "key_type(int)",
        "value_type(int)",
        "key_value(string)",
        "expires(int)",
    ]
    _table(file, columns, [(i, key, 0, int(numbers), value, 0) for i, (key, value) in enumerate(rows, 1)])


def _table(file: Path, columns: list[str], rows: Iterable[tuple[object, ...]]) -> None:
    lines = [" ".join(columns), *(":".join(map(str, row)) for row in rows)]
    file.write_text("\n".join(lines) + "\n")
