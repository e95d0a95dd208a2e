# The front end as a sidecar: configured by the environment alone, no shell or root needed to run it.
# docs/deploying.md has the variables, the probes and how it ends.
#
#     docker build -t uwsgi-frontend .
#
# BASE is any image with Python 3.11 or newer and its venv module; pin it by digest where builds must
# repeat. EXTRAS are those of pyproject.toml. COMPILE=1 compiles the road of a request (setup.py);
# BUILDER is then an image with the same Python and a C compiler, such as python:3.11-bookworm, of
# which nothing gets into the result. Where pip needs a configuration of your own to find packages,
# give it as a secret, which leaves no trace: --secret id=pip,src=$HOME/.config/pip/pip.conf
ARG BASE=python:3.11-slim-bookworm
ARG BUILDER=${BASE}

FROM ${BUILDER} AS build
ARG EXTRAS=dns
ARG COMPILE=0
ENV PIP_CONSTRAINT=/src/constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python3 -m venv /build && python3 -m venv --without-pip /opt/uwsgi-frontend
COPY constraints.txt LICENSE README.md pyproject.toml setup.py ./
COPY protocol protocol
COPY proxy proxy
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    COMPILE_UWSGI_FRONTEND=$COMPILE /build/bin/pip wheel --quiet --wheel-dir /wheels ".[$EXTRAS]"
# From the wheels alone. Compiled here, for nothing can be written later; by content, so that the
# same sources give the same files.
RUN /build/bin/pip --python /opt/uwsgi-frontend/bin/python install --quiet --no-index --no-compile \
        --find-links /wheels "uwsgi-frontend[$EXTRAS]" \
    && /opt/uwsgi-frontend/bin/python -m compileall -q --invalidation-mode unchecked-hash \
        /opt/uwsgi-frontend/lib

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="uwsgi-frontend" \
      org.opencontainers.image.description="An HTTP front end for applications behind the uwsgi protocol" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/uwsgi-frontend /opt/uwsgi-frontend
ENV PATH=/opt/uwsgi-frontend/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    UWSGI_FRONTEND_LISTEN=:8080 \
    UWSGI_FRONTEND_ADMIN=:9090 \
    UWSGI_FRONTEND_SPOOL_DIR=/tmp
# By number, so that runAsNonRoot can be checked. Give the application server the same group.
USER 1000:1000
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
# `uwsgi-frontend health`, without loading the rest of the program each time.
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s --retries=3 \
    CMD ["/opt/uwsgi-frontend/bin/python", "-m", "proxy.client.health"]
ENTRYPOINT ["/opt/uwsgi-frontend/bin/uwsgi-frontend"]
