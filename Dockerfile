# One server process. It has not been built in a container engine yet: see docs/operations.md, "Container".

# The requirements are installed in a separate stage, so that pip and its cache are not in the final image.
FROM python:3.13-slim-bookworm AS build
COPY requirements.txt /tmp/
# With hashes, the installed packages are the tested ones. All of them are wheels, so no compiler is needed.
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --only-binary :all: --require-hashes -r /tmp/requirements.txt

FROM python:3.13-slim-bookworm
# Not root, and without a home, because nothing is stored here.
RUN useradd --system --no-create-home --uid 10001 chat
WORKDIR /srv/chat-support
COPY --from=build /opt/venv /opt/venv
COPY wsgi.py gunicorn.conf.py ./
COPY chatsupport ./chatsupport
# Only the part of bench that `flask --app wsgi simulate` needs.
COPY bench/__init__.py ./bench/
COPY bench/simulation ./bench/simulation
# Compiled now, because the user that runs it cannot write here.
RUN /opt/venv/bin/python -m compileall -q chatsupport bench
# A container is in production, reachable from outside, and logs to stdout. Secrets are given when it is started.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    APP_ENV=production \
    HOST=0.0.0.0 \
    PORT=5000 \
    LOG_TO_FILES=0
USER chat
EXPOSE 5000
# A health check must not restart a server because its database is away, so 503 counts as healthy.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["python", "-c", \
    "import http.client as h, os; c = h.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=4); c.request('GET', '/api/health'); raise SystemExit(c.getresponse().status not in (200, 503))"]
# In this form no shell stands between the engine's SIGTERM and the server, which ends within 10 s.
CMD ["gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
