"""The command line: ``python -m consumer run | serve | doctor | topics | redrive | …``."""

import os

# BLAS and OpenMP threads compete for the cores that other workers use; one thread is fastest for
# small batches. The variables are read when numpy is first imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from consumer.ending import Ending
from consumer.stop import Stop, end_at_once

if __name__ == "__main__":
    end_at_once()  # the imports below take about a second
    ending = Ending()

import argparse
import contextlib
import logging
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException

from consumer.doctor.examine import examine
from consumer.doctor.findings import exit_code, json_line, line
from consumer.errors import ScorerError
from consumer.history.asked import spelled_out
from consumer.history.options import (
    add_check_options,
    add_entity_options,
    add_forget_options,
    add_json_option,
    add_remember_options,
    add_store_options,
)
from consumer.intake.posted import intake
from consumer.kafka import client
from consumer.kafka.topics import COUNTS_AND_WRITES, READS, require_topics
from consumer.kafka.watchdog import Watchdog
from consumer.memory.assembly import loaded, logs_of, make_memory, require_psycopg
from consumer.memory.posted import remembered
from consumer.models.service import Models, models_of
from consumer.models.shadow import shadow_of
from consumer.monitoring.ownership import GroupWatch
from consumer.outcomes.follow import follow
from consumer.outcomes.metrics import OutcomeMetrics
from consumer.outcomes.screening import Screening
from consumer.outcomes.topics import create_every_topic
from consumer.redrive.command import add_redrive_options, send_back
from consumer.server.limits import PROBES, Limits
from consumer.server.listen import everywhere, listen, tls
from consumer.server.server import Server, beside, serve_until_stopped
from consumer.session.session import Session
from consumer.settings.settings import Settings, read_settings
from consumer.telemetry import logs
from consumer.telemetry.health import Health, Loaded, Loop, health_of_worker, overdue
from consumer.telemetry.metrics import ForwardingMetrics, Metrics, ProcessMetrics, ServingMetrics
from consumer.telemetry.tracing import traced
from consumer.waiting import aloud
from consumer.web.access import BearerToken
from consumer.web.api import scoring_app
from consumer.web.forwarding import Forwarding
from consumer.web.operations import operations_app
from consumer.worker.assembly import make_worker
from consumer.worker.worker import Batch, Worker
from model.cli.argument_types import from_zero, rate, seed, small, whole
from model.samples.lines import AUTO, NAMES
from schemas.printable import message_of
from schemas.streams import Parser, written

log = logging.getLogger("consumer")

PROGRAM: Final = "python -m consumer"
NOT_ALL_SENT: Final = 1
"""Exit code of `send` if some rows are not claims."""
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


def operations(
    settings: Settings, metrics: ProcessMetrics, health: Health
) -> contextlib.AbstractContextManager[None]:
    """Serve /metrics and the probes on METRICS_PORT while the body runs.

    Raises:
        SettingsError: the port is in use, or the certificate is invalid.
    """
    sock = listen(everywhere(), settings.metrics_port, "METRICS_PORT")
    token = settings.metrics_token
    access = [BearerToken(token, PROBES)] if token else []
    context = tls(settings.metrics_tls_cert, settings.metrics_tls_key, "METRICS_TLS")
    app = operations_app(metrics, health, *access)
    return beside(Server(app, refused=metrics.answered, context=context), sock)


def run(settings: Settings, _: argparse.Namespace, stop: Stop) -> None:
    """Score claims from Kafka, by history if MEMORY=on, until it is stopped by a signal."""
    for name in client.ignored(settings):
        log.warning("%s has no effect with KAFKA_GROUP_PROTOCOL=consumer: the broker decides", name)
    metrics = Metrics()
    metrics.state_capacity(settings.referral_capacity)
    model, loop = Loaded(), Loop()
    # One turn may wait for several answers from a Kafka that is down, each for half a minute.
    watchdog = Watchdog(settings.step_timeout_s, stepped=loop.turned)
    health = health_of_worker(model, loop, watchdog.overdue)
    with operations(settings, metrics, health), traced(settings) as traces:
        models = models_of(settings, metrics)
        model.version = models.current().version
        shadow = shadow_of(settings, metrics, models.current())
        outputs = settings.alerts_topic, settings.dead_letter_topic
        needed = dict.fromkeys(outputs, COUNTS_AND_WRITES)
        with aloud(settings):
            require_topics(settings, {settings.claims_topic: READS, **needed, **logs_of(settings)})
            beside = shadow is not None and shadow.asks_for_history
            memory = make_memory(settings, models.current(), metrics, beside=beside)
        session: Session[Batch] = Session(settings, watchdog, metrics.set_blocked)
        worker = make_worker(
            settings, session, models.current, metrics, loop, shadow, traces, memory
        )
        with loaded(memory, settings.memory_topic, loop, stop) as complete:
            if complete:
                _score(settings, session, worker, models, metrics, stop)
    log.info("stopped; every batch in flight was committed")


def _score(
    settings: Settings,
    session: Session[Batch],
    worker: Worker,
    models: Models,
    metrics: Metrics,
    stop: Stop,
) -> None:
    with session:
        stop.gracefully(worker.stop, session.unknown)
        if stop.asked:  # while something was read, or the group was joined
            worker.stop()
        log.info(
            "scoring %s with %s %s, %s",
            settings.claims_topic,
            models.current().name,
            models.current().version,
            settings.delivery.value,
        )
        with models.watched(), GroupWatch(settings, metrics.registry).watched():
            worker.run()


def serve(settings: Settings, _: argparse.Namespace, stop: Stop) -> None:
    """Answer POST /fraud-detection, by history if MEMORY=on, until it is stopped by a signal."""
    metrics = ServingMetrics()
    models = models_of(settings, metrics)
    loaded = Loaded(models.current().version)
    sock = listen(settings.api_host, settings.api_port, "API_PORT", "API_HOST")
    context = tls(settings.api_tls_cert, settings.api_tls_key)
    limits = Limits(
        connections=settings.api_max_connections, seconds=settings.api_request_timeout_s
    )
    if settings.api_token is None and settings.api_host not in LOOPBACK:
        log.warning(
            "API_HOST=%s without API_TOKEN: anyone who can reach this address can submit claims",
            settings.api_host,
        )
    with (
        traced(settings) as traces,
        remembered(settings, models.current(), metrics, stop) as known,
        models.watched(),
        intake(settings) as posted,
    ):
        if not known.complete:
            return
        app = scoring_app(
            models.current,
            metrics,
            Health((loaded.missing, *posted.ready), (*posted.healthy, *known.healthy)),
            settings.api_token,
            *traces.middleware(),
            unknown=settings.unknown_fields,
            forwarding=posted.take and Forwarding(posted.take, ForwardingMetrics(metrics)),
            recall=known.recall,
        )
        server = Server(app, limits, metrics.answered, context)
        stop.gracefully(server.stop, posted.unknown)
        if stop.asked:  # while something was read
            return
        serve_until_stopped(server, sock)


def outcomes(settings: Settings, _: argparse.Namespace, stop: Stop) -> None:
    """Report live figures from OUTCOMES_TOPIC until stopped by a signal; set bad outcomes aside."""
    metrics, loop, stopping = ProcessMetrics(), Loop(), threading.Event()
    watchdog = Watchdog(settings.step_timeout_s, stepped=loop.turned)
    health = Health(
        ready=(loop.without_partitions,), healthy=(overdue(watchdog.overdue), loop.stands_still)
    )
    with operations(settings, metrics, health):
        read = settings.alerts_topic, settings.outcomes_topic
        bad = settings.outcomes_dead_letter_topic
        with aloud(settings):
            needed = {**dict.fromkeys(read, READS), bad: COUNTS_AND_WRITES}
            require_topics(settings, {**needed, **logs_of(settings)})
        instruments = OutcomeMetrics(metrics)
        screening = Screening(settings, watchdog, instruments)
        with screening.session:
            stop.gracefully(stopping.set, screening.session.unknown)
            follow(settings, instruments, loop, stopping, screening)


def demo(settings: Settings, options: argparse.Namespace, stop: Stop) -> None:
    """Train, start an embedded broker and stream claims through the worker."""
    stop.by_interrupt()  # temporary files are removed and the terminal is restored
    # pandas and rich are not for the worker
    from consumer.tools.demo import run_demo  # noqa: PLC0415
    from consumer.tools.demo_claims import DemoData  # noqa: PLC0415

    source = DemoData(options.data, options.format, options.contract)
    run_demo(settings, source, options.claims)


def topics(settings: Settings, options: argparse.Namespace, _: Stop) -> None:
    """Create the topics that are missing."""
    with aloud(settings):
        created = create_every_topic(settings, options.partitions, options.replication_factor)
    for name, new in created.items():
        sys.stdout.write(f"{name}: {'created' if new else 'already exists, left unchanged'}\n")


def generate(settings: Settings, options: argparse.Namespace, stop: Stop) -> None:
    """Send synthetic claims to CLAIMS_TOPIC for testing."""
    from consumer.tools.generate import generate  # noqa: PLC0415 - not for the worker

    sent = generate(
        settings,
        rate=options.rate,
        claims=options.claims,
        broken_every=options.broken_every,
        seed=options.seed,
        contract=options.contract,
        stop=stop,
    )
    sys.stdout.write(f"{sent} claims sent to {settings.claims_topic}\n")


def send(settings: Settings, options: argparse.Namespace, stop: Stop) -> int:
    """Send the claims of a file to CLAIMS_TOPIC."""
    from consumer.tools import send as sending  # noqa: PLC0415 - rich is not for the worker

    contract = sending.contract_of(options.contract, options.model)
    done = sending.send(settings, contract, options.data, rate=options.rate, stop=stop)
    sys.stdout.write(
        f"{done.sent} claims sent to {settings.claims_topic}, {done.rejected} rows rejected\n"
    )
    if done.stopped:
        sys.stderr.write("stopped by a signal before the end of the file\n")
        return stop.code
    return NOT_ALL_SENT if done.rejected else 0


def entity(settings: Settings, options: argparse.Namespace, stop: Stop) -> int:
    """List the remembered claims that name a person or thing, or share one with a claim."""
    from consumer.history.command import look_up  # noqa: PLC0415 - rich is not for the worker

    return look_up(settings, options, stop)


def forget(settings: Settings, options: argparse.Namespace, stop: Stop) -> int:
    """Forget a claim, all claims that name a person or thing, or what is outdated."""
    from consumer.history import command  # noqa: PLC0415 - rich is not for the worker

    return command.forget(settings, options, stop)


def remember(settings: Settings, options: argparse.Namespace, stop: Stop) -> int:
    """Write the history of old claims of a file to MEMORY_TOPIC."""
    from consumer.history.command import remember_file  # noqa: PLC0415 - rich

    return remember_file(settings, options, stop)


def check_history(settings: Settings, options: argparse.Namespace, stop: Stop) -> int:
    """Compute the histories of the latest alerts again from MEMORY_TOPIC."""
    from consumer.history.command import check  # noqa: PLC0415 - rich is not for the worker

    return check(settings, options, stop)


def apply(settings: Settings, _: argparse.Namespace, stop: Stop) -> None:
    """Fill the database in MEMORY_STORE from the log until it is stopped by a signal."""
    require_psycopg()
    from consumer.history.applying import applying  # noqa: PLC0415 - psycopg is optional

    metrics, loop = ProcessMetrics(), Loop()
    health = Health(ready=(loop.without_partitions,), healthy=(loop.stands_still,))
    with operations(settings, metrics, health):
        applying(settings, metrics, loop, stop)
    log.info("stopped; the database has what was read")


def memory(settings: Settings, options: argparse.Namespace, stop: Stop) -> int:
    """Verify, rebuild or compact the store of this INSTANCE_ID; or fill a database."""
    from consumer.history.command import keep  # noqa: PLC0415 - rich is not for the worker

    return keep(settings, options, stop)


def doctor(settings: Settings, options: argparse.Namespace, _: Stop) -> int:
    """Check what the guarantees depend on: Kafka, topics, rights, group, model, keys and ports."""
    show, found = json_line if options.json else line, []
    for finding in examine(settings):
        sys.stdout.write(show(finding) + "\n")
        sys.stdout.flush()
        found.append(finding)
    return exit_code(found)


def parser(program: str = PROGRAM) -> argparse.ArgumentParser:
    """The command line's grammar."""
    root = Parser(
        prog=program,
        description="Score insurance claims from Kafka or over HTTP. "
        "Settings come from the environment; see docs/settings.md.",
    )
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(
        name: str,
        act: Callable[[Settings, argparse.Namespace, Stop], int | None],
        *,
        service: bool = False,
    ) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=act.__doc__, description=act.__doc__)
        made.set_defaults(act=act, service=service)
        return made

    command("run", run, service=True)
    command("serve", serve, service=True)
    command("outcomes", outcomes, service=True)
    showing = command("demo", demo)
    showing.add_argument("--data", default="synthetic", metavar="FILE|synthetic")
    showing.add_argument(
        "--format", default="jsonl", choices=("carclaims", "insurance_claims", "jsonl")
    )
    showing.add_argument(
        "--contract",
        choices=NAMES,
        default=AUTO,
        help="what the claims are (%(default)s); with motor, the worker remembers earlier claims, "
        "and the end says what history adds",
    )
    showing.add_argument("--claims", type=whole, default=20_000, help="stream at most this many")
    making = command("topics", topics)
    making.add_argument("--partitions", type=small, default=8)
    making.add_argument("--replication-factor", type=small, default=1)
    loading = command("generate", generate, service=True)
    loading.add_argument(
        "--rate", type=rate, default=20.0, help="claims per second; 0: no limit (20)"
    )
    loading.add_argument("--claims", type=whole, help="stop after this many")
    loading.add_argument(
        "--broken-every",
        type=from_zero,
        default=0,
        metavar="N",
        help="make every Nth record invalid; 0 disables it",
    )
    loading.add_argument("--seed", type=seed, default=1)
    loading.add_argument(
        "--contract", choices=NAMES, default=AUTO, help="what the claims are (%(default)s)"
    )
    own = command("send", send)
    which = own.add_mutually_exclusive_group(required=True)
    which.add_argument("--contract", metavar="FILE|NAME", help="contract of the claims")
    which.add_argument("--model", type=Path, metavar="DIR", help="artifact, for its contract")
    own.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FILE",
        help=".csv, .tsv, .txt, .jsonl, .ndjson, .json, each also with .gz, or .parquet",
    )
    own.add_argument(
        "--rate", type=rate, default=0.0, help="claims per second; 0: no limit (the default)"
    )
    add_redrive_options(command("redrive", send_back))
    asking = command("entity", entity)
    add_entity_options(asking)
    add_json_option(asking)
    add_forget_options(command("forget", forget))
    add_remember_options(command("remember", remember))
    add_check_options(command("check-history", check_history))
    add_store_options(command("memory", memory), apply)
    looking = command("doctor", doctor)
    looking.add_argument(
        "--json", action="store_true", help="one JSON object per line, for programs"
    )
    return root


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Run a command; returns the exit code (see docs/settings.md)."""
    return written(lambda: _run(arguments, program))


def _run(arguments: Sequence[str] | None, program: str) -> int:
    options = parser(program).parse_args(
        spelled_out(sys.argv[1:] if arguments is None else arguments)
    )
    with Stop(service=options.service).listening() as stop:
        try:
            settings = read_settings(os.environ)
            logs.configure(settings.log_level)
            return options.act(settings, options, stop) or 0
        except ScorerError as error:
            sys.stderr.write(f"error: {message_of(error)}\n")
            return error.exit_code
        except KafkaException as error:  # a client that has failed permanently raises it anywhere
            refusal = client.stopped(error, "talking to Kafka")
            sys.stderr.write(f"error: {message_of(refusal)}\n")
            return refusal.exit_code
        except KeyboardInterrupt:
            return stop.code


if __name__ == "__main__":
    sys.exit(ending.of(main))
