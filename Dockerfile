# A server in a container: an ordinary user, nothing to write to but /recordings, and a stop that drains.
#
#   docker build -t realtime-engine .
#   docker run --rm -p 127.0.0.1:8000:8000 -e ENGINE_TOKEN -e OPENAI_API_KEY --read-only realtime-engine
#
# compose.yaml has it with everything that makes it safe to leave alone; docs/operation.md explains.

FROM python:3.13-slim AS build
RUN pip install --no-cache-dir uv==0.13.9
ENV UV_PROJECT_ENVIRONMENT=/venv UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /build
# The libraries first, as the lock has them: they stay in the cache while the engine changes.
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN uv sync --locked --no-default-groups --no-install-project
COPY realtime_engine realtime_engine
COPY transports transports
COPY cli cli
RUN uv sync --locked --no-default-groups --no-editable

FROM python:3.13-slim
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin engine \
 && install --directory --owner=engine --group=engine --mode=0700 /recordings
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /recordings
VOLUME /recordings
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["python", "-c", "from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["engine"]
CMD ["serve", "--transport", "ws", "--host", "0.0.0.0", "--port", "8000", "--log", "json"]
