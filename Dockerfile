# A small image that runs as nobody in particular: docker run --rm -v "$PWD:/data" -e ZENDESK_… zexport run acme
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml setup.py README.md LICENSE constraints.txt ./
COPY exporter exporter
RUN python -m venv /opt/zexport \
 && /opt/zexport/bin/pip install --no-cache-dir --constraint constraints.txt .

FROM python:3.13-slim
# The same path as in the build stage: the scripts of a virtual environment name their interpreter by it.
COPY --from=build /opt/zexport /opt/zexport
# 65532 is what distroless images call nonroot; whoever mounts a folder of another owner says --user.
RUN useradd --uid 65532 --create-home --shell /usr/sbin/nologin zexport \
 && install --directory --owner=zexport --mode=0700 /data
ENV PATH=/opt/zexport/bin:$PATH PYTHONUNBUFFERED=1 PYTHONSAFEPATH=1
USER zexport
WORKDIR /data
VOLUME /data
# No shell in between: SIGTERM of `docker stop` reaches zexport, which writes what it has in hand and ends within 10 seconds.
ENTRYPOINT ["zexport"]
CMD ["--help"]
