"""A hand-written loop that scores one DataFrame a batch."""

from benchmarks.loops.job import job
from benchmarks.loops.scoring import scoring
from benchmarks.loops.transactional import run, values_of

if __name__ == "__main__":
    told = job()
    score = scoring(told)
    run(told, 0.1, lambda messages: score(values_of(messages)))
