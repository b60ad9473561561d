# One server process. There was no engine to build it with where it was written: docs/operations.md, "Container".

# The requirements are installed by a stage of their own, so that pip and its cache are not in what runs.
FROM python:3.13-slim-bookworm AS build
COPY requirements.txt /tmp/
# By hash: what is installed is what was tested. All of it comes as wheels, so no compiler is needed.
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --only-binary :all: --require-hashes -r /tmp/requirements.txt

FROM python:3.13-slim-bookworm
# Not root; and no home, for nothing is kept here.
RUN useradd --system --no-create-home --uid 10001 chat
WORKDIR /srv/chat-support
COPY --from=build /opt/venv /opt/venv
COPY wsgi.py gunicorn.conf.py ./
COPY chatsupport ./chatsupport
# `flask --app wsgi simulate`, and nothing else of it.
COPY bench/__init__.py ./bench/
COPY bench/simulation ./bench/simulation
# Compiled now, because the user that runs it cannot write here.
RUN /opt/venv/bin/python -m compileall -q chatsupport bench
# What a container is: production, reachable from outside it, its log on stdout. Secrets are given when it is started.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    APP_ENV=production \
    HOST=0.0.0.0 \
    PORT=5000 \
    LOG_TO_FILES=0
USER chat
EXPOSE 5000
# A health check must not restart a server because its database is away: 503 is an answer too.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["python", "-c", \
    "import http.client as h, os; c = h.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=4); c.request('GET', '/api/health'); raise SystemExit(c.getresponse().status not in (200, 503))"]
# In this form there is no shell between the engine's SIGTERM and the server, which ends within 10 s of it.
CMD ["gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
