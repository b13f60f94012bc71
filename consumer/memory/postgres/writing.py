"""Records of the log taken into the tables, in one transaction.

Everything but the rows of `claim_records` and `findings` follows from these, and is changed by what
the records of a batch change: a claim that was sent before costs what the new record adds.
Processes that take in records of the same claims at once wait for each other in the first
statement, in the order of the claims, so that each sees what the other has written.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from consumer.memory.postgres.connection import RowConnection
from consumer.memory.postgres.literals import blobs, copied, storable, texts
from consumer.memory.view import LogFact
from model.history.facts import claim_ref
from schemas.memory import FactKey, FactKind, Remembered, RememberedClaim, RememberedFinding

_DAY_MS: Final = 86_400_000
_EPOCH: Final = "date '1970-01-01'"

STAGES: Final = """
CREATE TEMP TABLE IF NOT EXISTS told (
    is_claim boolean NOT NULL, gone boolean NOT NULL, alone boolean NOT NULL,
    claim bytea NOT NULL, claim_id text NOT NULL,
    topic text COLLATE "C" NOT NULL, partition int NOT NULL, "offset" bigint NOT NULL,
    day int, fraud boolean, policy bytea, lost_on date, amount float8, kinds text[], hashes bytea[]
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS met (claim bytea PRIMARY KEY) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS pairs (
    claim bytea NOT NULL, kind text COLLATE "C" NOT NULL, hash bytea NOT NULL,
    again boolean NOT NULL,
    PRIMARY KEY (claim, kind, hash)
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS changes (
    kind text COLLATE "C" NOT NULL, hash bytea NOT NULL, day date NOT NULL,
    claims int NOT NULL, decided int NOT NULL, frauds int NOT NULL
) ON COMMIT DELETE ROWS;
"""
"""Of a connection: the records of a batch (`told`); claims of which something was known, or several
records came (`met`); what is computed anew (`pairs` of a claim and an entity); and by how much
`days` change.
"""

_COPY: Final = "COPY told FROM STDIN"
_LOCK: Final = """
INSERT INTO claims (claim, claim_id)
SELECT claim, max(claim_id) FROM told GROUP BY claim ORDER BY claim
ON CONFLICT (claim) DO UPDATE SET claim_id = EXCLUDED.claim_id
"""
_MET: Final = """
INSERT INTO met
SELECT DISTINCT claim FROM told t WHERE NOT alone
    OR EXISTS (SELECT FROM claim_records r WHERE r.claim = t.claim)
    OR EXISTS (SELECT FROM findings f WHERE f.claim = t.claim)
"""
_RECORDS_GONE: Final = """
WITH gone AS (
    DELETE FROM claim_records r USING told t
    WHERE t.is_claim AND r.claim = t.claim AND r.topic = t.topic AND r.partition = t.partition
        AND r."offset" = t."offset"
    RETURNING r.claim, r.kinds, r.hashes
)
INSERT INTO pairs
SELECT DISTINCT g.claim, u.kind, u.hash, true FROM gone g, unnest(g.kinds, g.hashes) u (kind, hash)
"""
_RECORDS: Final = f"""
INSERT INTO claim_records
SELECT claim, topic, partition, "offset", {_EPOCH} + day, policy, lost_on, amount, kinds, hashes
FROM told WHERE is_claim AND NOT gone
"""
_NAMED: Final = """
INSERT INTO pairs
SELECT DISTINCT t.claim, u.kind, u.hash, false
FROM told t JOIN met USING (claim), unnest(t.kinds, t.hashes) u (kind, hash)
WHERE t.is_claim AND NOT t.gone
ON CONFLICT DO NOTHING
"""
_FOUND: Final = """
INSERT INTO pairs
SELECT f.claim, f.kind, f.hash, false
FROM (SELECT DISTINCT claim FROM told WHERE NOT is_claim) t JOIN facts f USING (claim)
JOIN kinds k ON k.kind = f.kind AND k.likeness = 'business'
ON CONFLICT DO NOTHING
"""


def _contributions(sign: str) -> str:
    """What the facts of `pairs` are in `days`: the claim on its day; and that it is decided, from
    the day after it and its finding came until one of them expires or another finding came.
    """
    return f"""
WITH counted AS MATERIALIZED (
    SELECT f.claim, f.kind, f.hash, f.known_on FROM pairs p
    JOIN kinds k ON k.kind = p.kind AND k.likeness = 'business'
    JOIN facts f ON f.claim = p.claim AND f.kind = p.kind AND f.hash = p.hash
), found AS MATERIALIZED (
    SELECT claim, found_on, bool_and(fraud) AS fraud,
        lead(found_on) OVER (PARTITION BY claim ORDER BY found_on) AS next_on
    FROM (SELECT DISTINCT claim FROM counted) c JOIN findings USING (claim)
    GROUP BY claim, found_on
), spans AS (
    SELECT c.kind, c.hash, o.fraud, greatest(c.known_on, o.found_on) AS rise,
        least(c.known_on + s.span_days, o.found_on + s.span_days, o.next_on) AS fall
    FROM counted c JOIN found o USING (claim), store s
)
INSERT INTO changes
SELECT kind, hash, known_on, {sign}1, 0, 0 FROM counted
UNION ALL
SELECT kind, hash, v.day, 0, {sign}v.rises, CASE WHEN fraud THEN {sign}v.rises ELSE 0 END
FROM spans, LATERAL (VALUES (rise, 1), (fall, -1)) v (day, rises) WHERE rise < fall
"""


_BEFORE: Final = _contributions("-")
_AFTER: Final = _contributions("+")
_FINDINGS_GONE: Final = """
DELETE FROM findings f USING told t
WHERE NOT t.is_claim AND f.claim = t.claim AND f.topic = t.topic AND f.partition = t.partition
    AND f."offset" = t."offset"
"""
_FINDINGS: Final = f"""
INSERT INTO findings
SELECT claim, topic, partition, "offset", {_EPOCH} + day, fraud
FROM told WHERE NOT is_claim AND NOT gone
"""
_FACTS_GONE: Final = """
DELETE FROM facts f USING pairs p
WHERE p.again AND f.claim = p.claim AND f.kind = p.kind AND f.hash = p.hash
"""


def _rank(of: str) -> str:
    """The order of `model.history.facts.first_of`."""
    return (
        f"{of}known_on, coalesce({of}policy, ''), coalesce({of}lost_on, date '0001-01-01' - 1), "
        f"coalesce({of}amount, -1), {of}amount IS NOT NULL"
    )


_FACTS: Final = f"""
INSERT INTO facts
SELECT DISTINCT ON (kind, hash, claim)
    kind, hash, known_on, claim, policy, lost_on, amount
FROM (
    SELECT u.kind, u.hash, {_EPOCH} + t.day AS known_on, t.claim, t.policy, t.lost_on, t.amount
    FROM told t, unnest(t.kinds, t.hashes) u (kind, hash) WHERE t.is_claim AND NOT t.gone
    UNION ALL
    SELECT p.kind, p.hash, r.known_on, r.claim, r.policy, r.lost_on, r.amount
    FROM (SELECT DISTINCT claim FROM pairs WHERE again) c JOIN claim_records r USING (claim),
        unnest(r.kinds, r.hashes) u (kind, hash)
    JOIN pairs p ON p.kind = u.kind AND p.hash = u.hash
    WHERE p.again AND p.claim = r.claim
) n
ORDER BY kind, hash, claim, {_rank("")}
ON CONFLICT (claim, kind, hash) DO UPDATE SET known_on = EXCLUDED.known_on,
    policy = EXCLUDED.policy, lost_on = EXCLUDED.lost_on, amount = EXCLUDED.amount
WHERE ({_rank("EXCLUDED.")}) < ({_rank("facts.")})
"""
_COUNT_NEW: Final = f"""
INSERT INTO changes
SELECT u.kind, u.hash, {_EPOCH} + t.day, 1, 0, 0
FROM told t, unnest(t.kinds, t.hashes) u (kind, hash)
JOIN kinds k ON k.kind = u.kind AND k.likeness = 'business'
WHERE NOT EXISTS (SELECT FROM met m WHERE m.claim = t.claim)
"""
_DAYS: Final = """
INSERT INTO days
SELECT kind, hash, day, sum(claims), sum(decided), sum(frauds) FROM changes
GROUP BY kind, hash, day
HAVING sum(claims) <> 0 OR sum(decided) <> 0 OR sum(frauds) <> 0
ORDER BY kind, hash, day
ON CONFLICT (kind, hash, day) DO UPDATE SET claims = days.claims + EXCLUDED.claims,
    decided = days.decided + EXCLUDED.decided, frauds = days.frauds + EXCLUDED.frauds
"""
_DAYS_GONE: Final = """
DELETE FROM days d USING (SELECT DISTINCT kind, hash, day FROM changes) c
WHERE d.kind = c.kind AND d.hash = c.hash AND d.day = c.day
    AND d.claims = 0 AND d.decided = 0 AND d.frauds = 0
"""
_CLAIMS_GONE: Final = """
DELETE FROM claims c USING met m WHERE c.claim = m.claim
    AND NOT EXISTS (SELECT FROM claim_records r WHERE r.claim = c.claim)
    AND NOT EXISTS (SELECT FROM findings f WHERE f.claim = c.claim)
"""
_UNKNOWN: Final = (_RECORDS, _FINDINGS, _FACTS, _COUNT_NEW, _DAYS)
"""If nothing was known of any claim of the batch, and one record came of each."""
_KNOWN: Final = (
    _RECORDS_GONE, _NAMED, _FOUND, _BEFORE, _RECORDS, _FINDINGS_GONE, _FINDINGS, _FACTS_GONE,
    _FACTS, _FOUND, _AFTER, _COUNT_NEW, _DAYS, _DAYS_GONE, _CLAIMS_GONE,
)  # fmt: skip


def stage(connection: RowConnection) -> None:
    """Make what a connection needs before `write`."""
    connection.execute(STAGES.encode())


def write(connection: RowConnection, facts: Sequence[LogFact]) -> None:
    """Take in records, in a transaction.

    Raises:
        ValueError: a record is not of the kind that its key says.
    """
    rows = list(_rows(facts))
    if not rows:
        return
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.write("".join(rows))
    connection.execute(_LOCK.encode())
    met = connection.execute(_MET.encode()).rowcount
    for statement in _KNOWN if met else _UNKNOWN:
        connection.execute(statement.encode())


def _rows(facts: Sequence[LogFact]) -> Iterable[str]:
    """Of `told`: the last that is said under each key."""
    last: dict[FactKey, Remembered | None] = dict(facts)
    claims: dict[str, int] = {}
    for key in last:
        claims[key.claim_id] = claims.get(key.claim_id, 0) + 1
    for key, fact in last.items():
        is_claim = key.kind == FactKind.CLAIM
        if fact is not None and isinstance(fact, RememberedClaim) is not is_claim:
            raise ValueError(f"claims-memory: under the key {key} is no {key.kind}")
        claim_id = copied(storable(key.claim_id))
        alone = is_claim and fact is not None and claims[key.claim_id] == 1
        place = f"{copied(storable(key.topic))}\t{key.partition}\t{key.offset}"
        ref = claim_ref(key.claim_id).hex()
        yield (
            f"{_flag(is_claim)}\t{_flag(fact is None)}\t{_flag(alone)}\t\\\\x{ref}\t{claim_id}\t"
            f"{place}\t{_said(fact)}\n"
        )


def _said(fact: Remembered | None) -> str:
    """The last seven columns."""
    if fact is None:
        return "\\N\t" * 6 + "\\N"
    day = fact.known_at // _DAY_MS
    if isinstance(fact, RememberedFinding):
        return f"{day}\t{_flag(fact.fraud)}" + "\t\\N" * 5
    named = dict.fromkeys(fact.entities)
    kinds = copied(texts(storable(entity.kind) for entity in named))
    hashes = copied(blobs(entity.hash for entity in named))
    policy = "\\N" if fact.policy is None else f"\\\\x{fact.policy.hex()}"
    lost_on = "\\N" if fact.day is None else fact.day.isoformat()
    amount = "\\N" if fact.amount is None else repr(fact.amount)
    return f"{day}\t\\N\t{policy}\t{lost_on}\t{amount}\t{kinds}\t{hashes}"


def _flag(value: bool) -> str:
    return "t" if value else "f"
