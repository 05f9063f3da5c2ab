# One image for all of DayBot; compose.yaml says what each container of it runs. docs/guides/docker.md is about both.
# For a build that is the same for ever, add the digest that your registry shows: python:3.11.14-slim-bookworm@sha256:...
FROM python:3.11.14-slim-bookworm AS build
RUN pip install --no-cache-dir uv==0.13.9 && python -m venv /opt/venv
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1 VIRTUAL_ENV=/opt/venv
WORKDIR /daybot

# Versions and hashes are the lock's; what only developers need stays out.
COPY pyproject.toml requirements.lock ./
RUN uv pip install --verify-hashes --only-binary :all: -r pyproject.toml --extra s3 -c requirements.lock

COPY . .
RUN uv pip install --verify-hashes --no-deps --build-constraints requirements.lock -e . \
    && python -m compileall -q pipelines live dashboards


FROM python:3.11.14-slim-bookworm
RUN groupadd --gid 10001 daybot \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin daybot \
    && install -d -o daybot -g daybot -m 0700 /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /daybot /daybot

# All that is ever written lies in /data (a volume) and /tmp (memory); the rest is root's and read-only.
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    DAYBOT_HOME=/data \
    DAGSTER_HOME=/data/dagster \
    NUMBA_CACHE_DIR=/data/cache/numba \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /daybot
USER 10001:10001
VOLUME /data
STOPSIGNAL SIGINT
HEALTHCHECK --interval=30s --timeout=15s --start-period=90s CMD ["daybot", "status"]
CMD ["daybot", "live"]
