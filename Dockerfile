# Two stages: one installs the locked dependencies and the package, the other holds nothing but Python and the result.
# Runs as a number, not a name, so that `runAsNonRoot` can check it; writes to /var/lib/lockgate alone, so the root file
# system may be read-only.

FROM python:3.12-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN ["python", "-m", "venv", "/opt/lockgate"]
WORKDIR /src
COPY requirements.lock ./
RUN ["/opt/lockgate/bin/pip", "install", "--no-deps", "--require-hashes", "-r", "requirements.lock"]
COPY pyproject.toml README.md LICENSE config.example.toml ./
COPY rules ./rules
COPY gateway ./gateway
RUN ["/opt/lockgate/bin/pip", "install", "--no-deps", "."]

FROM python:3.12-slim
ENV PATH=/opt/lockgate/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    XDG_STATE_HOME=/var/lib
COPY --from=build /opt/lockgate /opt/lockgate
# Two empty folders that belong to the number: one for the secret, the audit and the certificate authority, whose key
# no agent may see; one for what agents are to trust (`lockgate ca export`). And one for a configuration.
RUN ["install", "-d", "-o", "10001", "-g", "10001", "-m", "0700", "/var/lib/lockgate"]
RUN ["install", "-d", "-o", "10001", "-g", "10001", "-m", "0755", "/var/lib/lockgate-trust"]
RUN ["install", "-d", "-m", "0755", "/etc/lockgate"]
USER 10001:10001
VOLUME /var/lib/lockgate
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8082/healthz', timeout=2)"]
ENTRYPOINT ["lockgate"]
# Inside a container, loopback reaches nobody. To serve with a configuration, mount it and add
# `--config /etc/lockgate/lockgate.toml`; `hosts` under [gateway] must name what agents call the gateway, and the proxy
# is reached with `listen = "0.0.0.0:8081"` under [proxy].
CMD ["run", "--listen", "0.0.0.0:8080"]
