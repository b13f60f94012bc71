"""The bare client for latency: it takes what is there, and does not wait for a full batch."""

from benchmarks.loops.job import job
from benchmarks.loops.transactional import at_once, run, values_of

if __name__ == "__main__":
    run(job(), 0.1, values_of, at_once)
