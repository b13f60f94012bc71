"""Takes log records into the tables, in one transaction.

Everything except the rows of `claim_records` and `findings` follows from these. For each claim,
`facts` and `outcomes` have what counts (`model.history.facts.counting` and `changes`), so a claim
that was sent before costs the same, however often. All records of a claim are read only if a record
that one of its facts comes from is forgotten.
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
CREATE TEMP TABLE IF NOT EXISTS met (
    claim bytea PRIMARY KEY, again boolean NOT NULL
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS changes (
    kind text COLLATE "C" NOT NULL, hash bytea NOT NULL, day date NOT NULL,
    claims int NOT NULL, decided int NOT NULL, frauds int NOT NULL
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS parts (
    claim bytea NOT NULL, kind text COLLATE "C" NOT NULL, hash bytea NOT NULL,
    known_on date NOT NULL, sign int NOT NULL
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS spans (
    claim bytea NOT NULL, found_on date NOT NULL, fraud boolean NOT NULL, next_on date,
    sign int NOT NULL
) ON COMMIT DELETE ROWS;
"""
"""Per connection: the records of a batch (`told`); claims that were known or have several records
in it, and whether their facts are recomputed from all their records (`met`); by how much `days`
change, which follows from the facts (`parts`) and findings (`spans`) that were there before but not
after, or the other way round.
"""

_COPY: Final = "COPY told FROM STDIN"
_LOCK: Final = """
WITH locked AS (
    INSERT INTO claims (claim, claim_id)
    SELECT claim, max(claim_id) FROM told GROUP BY claim ORDER BY claim
    ON CONFLICT (claim) DO UPDATE SET claim_id = EXCLUDED.claim_id
    RETURNING claim, xmax <> 0 AS known
)
INSERT INTO met
SELECT claim, false FROM locked WHERE known
UNION
SELECT claim, false FROM told
WHERE NOT alone OR cardinality(kinds) > (SELECT names FROM store)
"""
"""An inserted row has no xmax; one that was already there was locked, and has one."""
_KEY: Final = """
    r.claim = t.claim AND r.topic = t.topic AND r.partition = t.partition
    AND r."offset" = t."offset"
"""
_SAME: Final = f"""
DELETE FROM told t USING claim_records r
WHERE t.is_claim AND NOT t.gone AND {_KEY}
    AND (r.known_on, r.policy, r.lost_on, r.amount, r.kinds, r.hashes)
    IS NOT DISTINCT FROM ({_EPOCH} + t.day, t.policy, t.lost_on, t.amount, t.kinds, t.hashes)
"""
_RECORDS_GONE: Final = f"""
WITH gone AS (
    DELETE FROM claim_records r USING told t WHERE t.is_claim AND {_KEY} RETURNING r.*
)
UPDATE met m SET again = true FROM gone g
CROSS JOIN unnest(g.kinds, g.hashes) u (kind, hash)
JOIN facts f ON f.claim = g.claim AND f.kind = u.kind AND f.hash = u.hash
    AND (f.known_on, f.policy, f.lost_on, f.amount)
    IS NOT DISTINCT FROM (g.known_on, g.policy, g.lost_on, g.amount)
WHERE m.claim = g.claim
"""
"""A claim's facts change only if a record that one of them comes from is gone."""
_RECORDS: Final = f"""
INSERT INTO claim_records
SELECT claim, topic, partition, "offset", {_EPOCH} + day, policy, lost_on, amount, kinds, hashes
FROM told WHERE is_claim AND NOT gone
"""


_OF_MET: Final = """(
    SELECT f.* FROM met m
    CROSS JOIN LATERAL (SELECT * FROM facts WHERE claim = m.claim OFFSET 0) f
)"""
"""Facts of claims in `met`; their kinds are looked at afterwards, as a kind has many facts."""


_BUSINESS: Final = "JOIN kinds b ON b.kind = f.kind AND b.likeness = 'business'"
_TOUCHED: Final = """(
    SELECT DISTINCT m.claim, u.kind, u.hash FROM met m JOIN told t USING (claim)
    CROSS JOIN LATERAL unnest(t.kinds, t.hashes) u (kind, hash)
    WHERE t.is_claim AND NOT t.gone AND NOT m.again
)"""
"""What the new records of claims in `met` name: no other fact is added or changes."""


def _parts(sign: int) -> str:
    """Notes the facts that may change, as they are now."""
    return f"""
INSERT INTO parts
SELECT f.claim, f.kind, f.hash, f.known_on, {sign} FROM (
    SELECT f.* FROM {_TOUCHED} t CROSS JOIN LATERAL (
        SELECT * FROM facts WHERE claim = t.claim AND kind = t.kind AND hash = t.hash OFFSET 0
    ) f
    UNION ALL
    SELECT f.* FROM met m CROSS JOIN LATERAL (
        SELECT * FROM facts WHERE m.again AND claim = m.claim OFFSET 0
    ) f
) f {_BUSINESS}
"""


def _spans(sign: int) -> str:
    """Notes the findings that count, as they are now, for claims with new findings."""
    return f"""
INSERT INTO spans
SELECT o.claim, o.found_on, o.fraud,
    lead(o.found_on) OVER (PARTITION BY o.claim ORDER BY o.found_on, o.fraud DESC), {sign}
FROM (SELECT DISTINCT claim FROM told WHERE NOT is_claim) t
CROSS JOIN LATERAL (SELECT * FROM outcomes WHERE claim = t.claim OFFSET 0) o
"""


def _rises(pairs: str) -> str:
    """By how much `days` change with facts and findings of their claims: a claim is decided from
    the day after it and its finding came in until one of them expires or the finding changes.
    """
    return f"""
INSERT INTO changes
SELECT kind, hash, v.day, 0, sign * v.rises, CASE WHEN fraud THEN sign * v.rises ELSE 0 END
FROM (
    SELECT p.kind, p.hash, p.fraud, p.sign, greatest(p.known_on, p.found_on) AS rise,
        least(p.known_on + s.span_days, p.found_on + s.span_days, p.next_on) AS fall
    FROM ({pairs}) p CROSS JOIN store s
) r, LATERAL (VALUES (rise, 1), (fall, -1)) v (day, rises) WHERE rise < fall
"""


_FOUND_BEFORE: Final = _spans(-1)
_FOUND_AFTER: Final = _spans(1)
_DECIDED_ANEW: Final = _rises(f"""
    SELECT f.kind, f.hash, f.known_on, n.found_on, n.next_on, n.fraud, n.sign FROM (
        SELECT claim, found_on, fraud, next_on, sum(sign) AS sign FROM spans
        GROUP BY claim, found_on, fraud, next_on HAVING sum(sign) <> 0
    ) n
    CROSS JOIN LATERAL (SELECT * FROM facts WHERE claim = n.claim OFFSET 0) f {_BUSINESS}
""")
"""Changed findings count for the facts as they were before. Unchanged ones, of sixteen findings on
a claim that names sixty-four businesses, are not looked at."""
_BEFORE: Final = _parts(-1)
_AFTER: Final = _parts(1)
_CHANGED: Final = """(
    SELECT claim, kind, hash, known_on, sum(sign) AS sign FROM parts
    GROUP BY claim, kind, hash, known_on HAVING sum(sign) <> 0
)"""
_COUNT_CHANGED: Final = f"""
INSERT INTO changes SELECT kind, hash, known_on, sign, 0, 0 FROM {_CHANGED} f
"""
_DECIDED: Final = _rises(f"""
    SELECT f.kind, f.hash, f.known_on, o.found_on, o.next_on, o.fraud, f.sign FROM {_CHANGED} f
    CROSS JOIN LATERAL (
        SELECT found_on, fraud, lead(found_on) OVER (ORDER BY found_on, fraud DESC) AS next_on
        FROM outcomes WHERE claim = f.claim
    ) o
""")
"""Changed facts count with the findings as they are afterwards."""
_FINDINGS_GONE: Final = f"""
DELETE FROM findings r USING told t WHERE NOT t.is_claim AND {_KEY}
"""
_FINDINGS: Final = f"""
INSERT INTO findings
SELECT claim, topic, partition, "offset", {_EPOCH} + day, fraud
FROM told WHERE NOT is_claim AND NOT gone
"""
_FOUND: Final = "(SELECT DISTINCT claim FROM told WHERE NOT is_claim)"
_OUTCOMES_GONE: Final = f"DELETE FROM outcomes o USING {_FOUND} t WHERE o.claim = t.claim"
_OUTCOMES: Final = f"""
WITH RECURSIVE changed AS (
    SELECT t.claim, n.found_on, n.fraud, NOT n.fraud AS other, 1 AS place
    FROM {_FOUND} t CROSS JOIN LATERAL (
        SELECT f.found_on, v.fraud FROM (VALUES (true), (false)) v (fraud)
        CROSS JOIN LATERAL (
            SELECT found_on FROM findings WHERE claim = t.claim AND fraud = v.fraud
            ORDER BY found_on LIMIT 1
        ) f
        ORDER BY f.found_on, v.fraud DESC LIMIT 1
    ) n
    UNION ALL
    SELECT c.claim, n.found_on, c.other, c.fraud, c.place + 1
    FROM changed c CROSS JOIN LATERAL (
        SELECT found_on FROM findings
        WHERE claim = c.claim AND fraud = c.other AND found_on >= c.found_on + c.other::int
        ORDER BY found_on LIMIT 1
    ) n
    WHERE c.place < (SELECT findings FROM store)
)
INSERT INTO outcomes SELECT claim, found_on, fraud FROM changed
"""
"""As `model.history.facts.changes`: each change is one look-up, however many findings there are."""
_FACTS_GONE: Final = "DELETE FROM facts f USING met m WHERE m.again AND f.claim = m.claim"


def _rank(of: str) -> str:
    """The order of `model.history.facts.first_of`."""
    return (
        f"{of}known_on, coalesce({of}policy, ''), coalesce({of}lost_on, date '0001-01-01' - 1), "
        f"coalesce({of}amount, -1), {of}amount IS NOT NULL"
    )


_TOLD: Final = f"""
    SELECT u.kind, u.hash, {_EPOCH} + t.day AS known_on, t.claim, t.policy, t.lost_on, t.amount
    FROM told t, unnest(t.kinds, t.hashes) u (kind, hash) WHERE t.is_claim AND NOT t.gone
"""
_NEW_FACTS: Final = f"INSERT INTO facts SELECT n.* FROM ({_TOLD}) n JOIN kinds USING (kind)"


def _counting(facts: str) -> str:
    """Facts with their places in the order of `model.history.facts.counting`."""
    return f"""
    SELECT f.*, row_number() OVER (PARTITION BY claim ORDER BY known_on, number, hash) AS place
    FROM {facts} f JOIN kinds USING (kind)
"""


_FIRST: Final = f"""(
    SELECT DISTINCT ON (kind, hash, claim) * FROM ({_TOLD}
        UNION ALL
        SELECT u.kind, u.hash, r.known_on, r.claim, r.policy, r.lost_on, r.amount
        FROM met m JOIN claim_records r USING (claim), unnest(r.kinds, r.hashes) u (kind, hash)
        WHERE m.again
    ) n
    ORDER BY kind, hash, claim, {_rank("")}
)"""
_FACTS: Final = f"""
INSERT INTO facts
SELECT kind, hash, known_on, claim, policy, lost_on, amount FROM ({_counting(_FIRST)}) n
WHERE place <= (SELECT names FROM store)
ON CONFLICT (claim, kind, hash) DO UPDATE SET known_on = EXCLUDED.known_on,
    policy = EXCLUDED.policy, lost_on = EXCLUDED.lost_on, amount = EXCLUDED.amount
WHERE ({_rank("EXCLUDED.")}) < ({_rank("facts.")})
"""
"""What is not among the first of these is not among the first of all."""
_TOO_MANY: Final = f"""
WITH gone AS (
    DELETE FROM facts f USING ({_counting(_OF_MET)}) n
    WHERE n.place > (SELECT names FROM store)
        AND f.claim = n.claim AND f.kind = n.kind AND f.hash = n.hash
    RETURNING f.*
)
INSERT INTO parts SELECT f.claim, f.kind, f.hash, f.known_on, -1 FROM gone f {_BUSINESS}
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
_UNKNOWN: Final = (_RECORDS, _NEW_FACTS, _COUNT_NEW, _DAYS)
"""If no claim of the batch was known, and each has one record."""
_KNOWN: Final = (
    _SAME, _RECORDS_GONE, _RECORDS, _FINDINGS_GONE, _FINDINGS,
    _FOUND_BEFORE, _OUTCOMES_GONE, _OUTCOMES, _FOUND_AFTER, _DECIDED_ANEW,
    _BEFORE, _FACTS_GONE, _FACTS, _AFTER, _TOO_MANY, _COUNT_CHANGED, _DECIDED,
    _COUNT_NEW, _DAYS, _DAYS_GONE, _CLAIMS_GONE,
)  # fmt: skip


_PLANS: Final = ("hashjoin", "mergejoin", "seqscan", "bitmapscan")
"""Plans for reading many rows of a table. A batch has few, and an index finds each of them; but no
statistics say how many rows a claim that is sent again and again has.
"""
_FEW: Final = """
INSERT INTO told SELECT false, false, false, '', '', '', 0, 0;
INSERT INTO met SELECT '', false;
INSERT INTO changes SELECT '', '', date '1970-01-01', 0, 0, 0;
INSERT INTO parts SELECT '', '', '', date '1970-01-01', 0;
INSERT INTO spans SELECT '', date '1970-01-01', false, NULL, 0;
ANALYZE told, met, changes, parts, spans;
"""
"""Makes the planner expect small batches: without statistics, it expects hundreds of rows."""


def stage(connection: RowConnection) -> None:
    """Set up what a connection needs before `write`."""
    connection.execute(STAGES.encode())
    connection.execute(_FEW.encode())
    for plan in _PLANS:
        connection.execute("SELECT set_config(%s, 'off', false)", (f"enable_{plan}",))


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
    met = connection.execute(_LOCK.encode()).rowcount
    for statement in _KNOWN if met else _UNKNOWN:
        connection.execute(statement.encode())


def _rows(facts: Sequence[LogFact]) -> Iterable[str]:
    """Rows of `told`: the last value under each key."""
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
