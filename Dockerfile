# The Marconi queue server in a container: docs/operations/deploying.md says how to run it.
#
#   docker build -t marconi-server .

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 1888 --home-dir /var/lib/marconi --create-home \
    --shell /usr/sbin/nologin marconi
WORKDIR /src
COPY LICENSE README.md pyproject.toml setup.py ./
COPY marconi_server marconi_server
# There is no compiler in the image, and no package needs one.
RUN python -m venv /opt/marconi && \
    /opt/marconi/bin/pip install --no-cache-dir --only-binary=:all: .
WORKDIR /var/lib/marconi
ENV PATH=/opt/marconi/bin:$PATH
# Who reaches the port is decided outside of the container.
ENV OS_DRIVERS_TRANSPORT_WSGI__BIND=0.0.0.0
USER 1888
VOLUME /var/lib/marconi
EXPOSE 8888
# Whether the process serves. It is alive as well if it wants a token for the answer. That the
# store answers is for a balancer to ask: a restart of the container would not help there.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["python", "-c", \
    "from http.client import HTTPConnection as C; c = C('127.0.0.1', 8888, timeout=2); \
     c.request('HEAD', '/v1/health'); exit(c.getresponse().status not in (204, 401))"]
ENTRYPOINT ["marconi-server"]
