# The environment from the lock file, every file checked against its hash, wheels only.
FROM python:3.13-slim AS build
# extras.lock: with the Schema Registry and traces.
ARG LOCK=runtime.lock
COPY requirements/${LOCK} /build/runtime.lock
RUN python -m venv --without-pip /opt/venv \
 && pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check \
      --require-hashes --only-binary :all: -r /build/runtime.lock \
 # SciPy and similar packages ship their test suites.
 && find /opt/venv/lib -type d -name tests -prune -exec rm -rf {} +
COPY schemas /opt/app/schemas
COPY model /opt/app/model
COPY consumer /opt/app/consumer
COPY fraud_scorer /opt/app/fraud_scorer
# Compiled here: the file system is read-only at run time.
RUN python -m compileall -q /opt/app

FROM python:3.13-slim
# LightGBM needs the OpenMP runtime. pip is not needed here.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libgomp1 \
 && rm -rf /var/lib/apt/lists/* /usr/local/bin/pip* /usr/local/lib/python3.*/site-packages/pip* \
      /usr/local/lib/python3.*/ensurepip \
 && useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent \
      --shell /usr/sbin/nologin scorer \
 # A new volume inherits owner and mode.
 && install --directory --owner scorer --group scorer --mode 0755 /models
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/app /opt/app
WORKDIR /opt/app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MODEL_DIR=/models/current \
    HEALTH_SCHEME=http \
    HEALTH_PORT=8000
USER 10001:10001
EXPOSE 8000 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-IS", "-c", "import http.client, os, ssl; at = ('127.0.0.1', int(os.environ['HEALTH_PORT'])); c = http.client.HTTPSConnection(*at, timeout=4, context=ssl._create_unverified_context()) if os.environ['HEALTH_SCHEME'] == 'https' else http.client.HTTPConnection(*at, timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["python", "-m"]
CMD ["consumer", "run"]
