"""A hand-written loop that scores message by message; one transaction a batch all the same."""

from benchmarks.loops.job import job
from benchmarks.loops.scoring import scoring
from benchmarks.loops.transactional import run, values_of

if __name__ == "__main__":
    told = job()
    score = scoring(told)
    run(told, 0.1, lambda messages: [score([value])[0] for value in values_of(messages)])
