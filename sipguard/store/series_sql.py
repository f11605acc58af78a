"""The statements of series_step.py: records into temporary tables, these into the series."""

from __future__ import annotations

TEMPORARY = (
    "CREATE TEMP TABLE destination (front TEXT PRIMARY KEY) WITHOUT ROWID",
    # The records of a step, as far as they are counted.
    "CREATE TEMP TABLE part (sequence INTEGER PRIMARY KEY, at INTEGER, outcome TEXT, status INTEGER,"
    " reason TEXT, account_id TEXT, mapping_gateway_id TEXT, currency TEXT, front TEXT, duration_ms INTEGER,"
    " pdd_ms INTEGER, own_micros INTEGER, top_micros INTEGER, cost_micros INTEGER, tries TEXT, tried INTEGER,"
    " only_tried TEXT, levels TEXT)",
    # Those that are alike added up: most of what follows then reads a few rows.
    "CREATE TEMP TABLE alike (at INTEGER, account_id TEXT, mapping_gateway_id TEXT, currency TEXT,"
    " front TEXT, only_tried TEXT, answered INTEGER, refused INTEGER, failed INTEGER, cancelled INTEGER,"
    " duration_ms INTEGER, pdd_ms INTEGER, pdd_calls INTEGER, own_micros INTEGER, top_micros INTEGER,"
    " cost_micros INTEGER)",
    "CREATE TEMP TABLE above (id TEXT, top TEXT, PRIMARY KEY (id, top)) WITHOUT ROWID",
    # What each level paid, and its balance then.
    "CREATE TEMP TABLE paid (sequence INTEGER, at INTEGER, account_id TEXT, currency TEXT, position INTEGER,"
    " charge_micros INTEGER, balance_micros INTEGER)",
    "CREATE TEMP TABLE told (at INTEGER, scope TEXT, key TEXT, currency TEXT, answered INTEGER,"
    " refused INTEGER, failed INTEGER, cancelled INTEGER, duration_ms INTEGER, pdd_ms INTEGER,"
    " pdd_calls INTEGER, charge_micros INTEGER, cost_micros INTEGER)",
    # Balances in the order in which they were so.
    "CREATE TEMP TABLE balance (number INTEGER PRIMARY KEY, at INTEGER, account_id TEXT, currency TEXT,"
    " balance_micros INTEGER)",
    "CREATE TEMP TABLE grown (id TEXT PRIMARY KEY, currency TEXT, sub_accounts INTEGER) WITHOUT ROWID",
)
CLEAR = (
    "DELETE FROM temp.part",
    "DELETE FROM temp.alike",
    "DELETE FROM temp.above",
    "DELETE FROM temp.paid",
    "DELETE FROM temp.told",
    "DELETE FROM temp.balance",
)

POSITION = "SELECT sequence, revision, grown FROM series_position"
MOVE = "UPDATE series_position SET sequence = ?, revision = ? WHERE sequence = ? AND revision = ?"
THROUGH = """
SELECT coalesce(max(sequence), 0)
FROM (SELECT sequence FROM cdr WHERE sequence > ? AND sequence <= ? ORDER BY 1 LIMIT ?)
"""
NEWEST = "SELECT coalesce(max(sequence), 0) FROM cdr"
NEWEST_REVISION = """
SELECT coalesce(max(revision), 0) FROM (SELECT revision FROM change WHERE revision > ? ORDER BY 1 LIMIT ?)
"""
NEWEST_CONFIGURATION = "SELECT max(revision) FROM change WHERE revision > ? AND noun <> 'ledger'"
BEHIND = """
SELECT coalesce((SELECT max(sequence) FROM cdr), 0) > sequence
    OR coalesce((SELECT max(revision) FROM change), 0) > revision
FROM series_position
"""

PART = """
INSERT INTO temp.part
SELECT c.sequence, c.ended_ms / 60000 * 60, c.outcome, c.status, c.reason, c.account_id, c.mapping_gateway_id,
    coalesce(nullif(c.currency, ''), a.currency, ''), substr(coalesce(c.called, ''), 1, :front),
    iif(c.outcome = 'answered', c.duration_ms, 0),
    iif(c.outcome = 'refused', NULL, max(0, coalesce(c.ringing_ms, c.answered_ms) - c.invited_ms)),
    coalesce(c.levels ->> '$[0][7]', 0), coalesce(c.levels ->> '$[#-1][7]', 0), c.cost_micros, c.tries,
    json_array_length(c.tries), iif(json_array_length(c.tries) = 1, c.tries ->> '$[0][0]', NULL), c.levels
FROM cdr c LEFT JOIN account a ON a.id = c.account_id
WHERE c.sequence > :first AND c.sequence <= :through
"""

_COUNTS = (
    "sum(answered), sum(refused), sum(failed), sum(cancelled), sum(duration_ms), sum(pdd_ms), sum(pdd_calls)"
)
_AGGREGATES = (
    """
    INSERT INTO temp.alike
    SELECT at, account_id, mapping_gateway_id, currency, front, only_tried, sum(outcome = 'answered'),
        sum(outcome = 'refused'), sum(outcome = 'failed'), sum(outcome = 'cancelled'), sum(duration_ms),
        coalesce(sum(pdd_ms), 0), count(pdd_ms), sum(own_micros), sum(top_micros), sum(cost_micros)
    FROM temp.part GROUP BY 1, 2, 3, 4, 5, 6
    """,
    """
    INSERT INTO temp.above
    WITH RECURSIVE up (id, top, agent_key) AS (
        SELECT id, id, agent_key FROM account WHERE id IN (SELECT DISTINCT account_id FROM temp.part)
        UNION SELECT up.id, a.id, a.agent_key FROM up JOIN account a ON a.key = up.agent_key)
    SELECT id, top FROM up WHERE top <> id
    """,
    """
    INSERT INTO temp.paid
    SELECT p.sequence, p.at, l.value ->> 1, p.currency, l.value ->> 0, l.value ->> 7, l.value ->> 8
    FROM temp.part p, json_each(p.levels) l WHERE p.levels <> '[]'
    """,
    "INSERT INTO temp.told SELECT at, 'all', '', currency, @counts@, sum(top_micros), sum(cost_micros)"
    " FROM temp.alike GROUP BY at, currency",
    "INSERT INTO temp.told SELECT at, 'account', account_id, currency, @counts@, sum(own_micros),"
    " sum(cost_micros) FROM temp.alike WHERE account_id IS NOT NULL GROUP BY at, account_id, currency",
    "INSERT INTO temp.told SELECT at, 'mapping_gateway', mapping_gateway_id, currency, @counts@,"
    " sum(top_micros), sum(cost_micros)"
    " FROM temp.alike WHERE mapping_gateway_id IS NOT NULL GROUP BY at, mapping_gateway_id, currency",
    "INSERT INTO temp.told SELECT at, 'below', above.top, currency, @counts@, 0, sum(cost_micros)"
    " FROM temp.alike JOIN temp.above ON above.id = alike.account_id GROUP BY at, above.top, currency",
    # What the accounts above paid for those calls.
    "INSERT INTO temp.told SELECT at, 'below', account_id, currency, 0, 0, 0, 0, 0, 0, 0,"
    " sum(charge_micros), 0 FROM temp.paid WHERE position > 0 GROUP BY at, account_id, currency",
    # Each try is a seizure of its gateway; answer, delay and money are of the last one.
    "INSERT INTO temp.told SELECT at, 'routing_gateway', only_tried, currency, @counts@, sum(top_micros),"
    " sum(cost_micros) FROM temp.alike WHERE only_tried IS NOT NULL GROUP BY at, only_tried, currency",
    """
    INSERT INTO temp.told
    SELECT at, 'routing_gateway', gateway_id, currency, sum(last AND outcome = 'answered'), 0,
        sum(NOT (last AND outcome = 'answered') AND cause <> 'cancelled'), sum(cause = 'cancelled'),
        sum(iif(last, duration_ms, 0)), coalesce(sum(iif(last, pdd_ms, NULL)), 0),
        count(iif(last, pdd_ms, NULL)), sum(iif(last, top_micros, 0)), sum(iif(last, cost_micros, 0))
    FROM (SELECT p.*, t.value ->> 0 AS gateway_id, t.value ->> 3 AS cause,
            t.key = p.tried - 1 AS last
        FROM temp.part p, json_each(p.tries) t WHERE p.tried > 1)
    GROUP BY at, gateway_id, currency
    """,
    """
    INSERT INTO temp.told
    SELECT at, 'destination', destination, currency, @counts@, sum(top_micros), sum(cost_micros)
    FROM temp.alike JOIN (
        SELECT fronts.front AS of, d.front AS destination FROM (SELECT DISTINCT front FROM temp.alike) fronts
        JOIN temp.destination d ON d.front = substr(fronts.front, 1, length(d.front)))
    ON of = alike.front GROUP BY at, destination, currency
    """,
    "INSERT INTO temp.balance (at, account_id, currency, balance_micros)"
    " SELECT at, account_id, currency, balance_micros FROM"
    " (SELECT max(sequence) AS sequence, at, account_id, currency, balance_micros"
    " FROM temp.paid GROUP BY at, account_id) ORDER BY sequence",
)
AGGREGATE = tuple(statement.replace("@counts@", _COUNTS) for statement in _AGGREGATES)

_POSTED = "INSERT INTO temp.balance (at, account_id, currency, balance_micros)"
# Payments: the balance that is now, which is at most a step younger.
PAID_FROM_OUTSIDE = (
    _POSTED
    + """
SELECT c.at_ms / 60000 * 60, a.id, a.currency, l.balance_micros
FROM change c JOIN journal_entry e ON e.idempotency_key = c.id JOIN posting p ON p.entry = e.key
JOIN ledger_account l ON l.key = p.ledger AND l.kind = 'balance' JOIN account a ON a.key = l.account_key
WHERE c.revision > ? AND c.revision <= ? AND c.noun = 'ledger' GROUP BY c.at_ms / 60000, a.id
ORDER BY c.revision
"""
)
MERGE = """
INSERT INTO series (step, at, scope, key, currency, answered, refused, failed, cancelled, duration_ms, pdd_ms,
    pdd_calls, charge_micros, cost_micros)
SELECT :step, at / :step * :step, scope, key, currency, sum(answered), sum(refused), sum(failed),
    sum(cancelled), sum(duration_ms), sum(pdd_ms), sum(pdd_calls), sum(charge_micros), sum(cost_micros)
FROM temp.told WHERE at >= :kept GROUP BY at / :step, scope, key, currency
ON CONFLICT DO UPDATE SET answered = answered + excluded.answered, refused = refused + excluded.refused,
    failed = failed + excluded.failed, cancelled = cancelled + excluded.cancelled,
    duration_ms = duration_ms + excluded.duration_ms, pdd_ms = pdd_ms + excluded.pdd_ms,
    pdd_calls = pdd_calls + excluded.pdd_calls, charge_micros = charge_micros + excluded.charge_micros,
    cost_micros = cost_micros + excluded.cost_micros
"""
MERGE_BALANCES = """
INSERT INTO series (step, at, scope, key, currency, balance_micros)
SELECT :step, at / :step * :step, 'account', account_id, currency, balance_micros
FROM (SELECT max(number), at, account_id, currency, balance_micros FROM temp.balance
    WHERE at >= :kept GROUP BY at / :step, account_id) WHERE true
ON CONFLICT DO UPDATE SET balance_micros = excluded.balance_micros
"""
GROWN = """
INSERT INTO temp.grown
WITH RECURSIVE up (agent_key) AS (
    SELECT agent_key FROM account WHERE agent_key IS NOT NULL
    UNION ALL SELECT a.agent_key FROM up JOIN account a ON a.key = up.agent_key
    WHERE a.agent_key IS NOT NULL)
SELECT a.id, a.currency, count(up.agent_key)
FROM account a LEFT JOIN up ON up.agent_key = a.key GROUP BY a.key
"""
# Those that are as they were told last. Without being told, SQLite would read all hours for each account.
NOT_GROWN = """
DELETE FROM temp.grown WHERE sub_accounts = coalesce((
    SELECT s.sub_accounts FROM series s INDEXED BY series_growth
    WHERE s.step = 3600 AND s.sub_accounts IS NOT NULL AND s.key = grown.id ORDER BY s.at DESC LIMIT 1), 0)
"""
MERGE_GROWN = """
INSERT INTO series (step, at, scope, key, currency, sub_accounts)
SELECT :step, :at, 'account', id, currency, sub_accounts FROM temp.grown WHERE true
ON CONFLICT DO UPDATE SET sub_accounts = excluded.sub_accounts
"""
# The oldest first; the rows of a moment lie together.
FORGET = """
DELETE FROM series WHERE step = :step AND at < :kept
    AND at < (SELECT min(at) FROM series WHERE step = :step) + :some
"""
OUTCOMES = "SELECT outcome, status, reason, count(*) FROM temp.part GROUP BY outcome, status, reason"
GATEWAYS = """
SELECT scope, key, sum(answered), sum(refused), sum(failed), sum(cancelled), sum(duration_ms)
FROM temp.told WHERE scope IN ('mapping_gateway', 'routing_gateway') GROUP BY scope, key
"""
MONEY = """
SELECT currency, sum(charge_micros), sum(cost_micros) FROM temp.told
WHERE scope = 'all' AND currency <> '' GROUP BY currency
"""
TOUCHED = """
SELECT account_id FROM temp.part WHERE account_id IS NOT NULL
UNION SELECT top FROM temp.above UNION SELECT account_id FROM temp.balance
"""
