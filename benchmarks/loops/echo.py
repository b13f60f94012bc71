"""The bare client: the same key and value out."""

from benchmarks.loops.job import job
from benchmarks.loops.transactional import run, values_of

if __name__ == "__main__":
    run(job(), 0.05, values_of)
