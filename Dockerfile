FROM node:24.21.0-trixie-slim AS base
WORKDIR /app

FROM base AS dependencies
COPY package.json package-lock.json ./
# Source maps and type declarations are a third of the installed bytes, and nothing loads them.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
 && npm sbom --package-lock-only --omit=dev --sbom-format=cyclonedx --sbom-type=application > sbom.cdx.json \
 && find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete

FROM base
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000
COPY --from=dependencies /app/node_modules node_modules
COPY package.json LICENSE ./
# The software bill of materials, for vulnerability scanners.
COPY --from=dependencies /app/sbom.cdx.json ./
COPY bin bin
COPY src src
# The command `easel`, such as `docker exec NAME easel backup /backup`.
RUN ln -s /app/bin/easel.js /usr/local/bin/easel
# A new volume gets the owner of the folder that it is mounted over.
RUN mkdir media .data && chown node:node media .data
# Node runs what it finds in its compile cache: a folder of the service's user alone.
ENV NODE_COMPILE_CACHE=/app/.compile-cache
RUN mkdir -m 700 .compile-cache && chown node:node .compile-cache
USER node
# One start fills the cache, which every new container would do again.
RUN HOST=127.0.0.1 PROVIDERS=placeholder MEDIA_DIR=/tmp/easel/media DATABASE_URL=sqlite:/tmp/easel/easel.db sh -c '\
  node bin/easel.js serve & \
  until node -e "fetch(\`http://127.0.0.1:${PORT}/health/ready\`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"; \
  do kill -0 $! || exit 1; sleep 1; done; \
  kill $! && wait $!' \
 && rm -r /tmp/easel
VOLUME ["/app/media", "/app/.data"]
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/live`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
# Process 1 is node itself, with no shell before it, so that the stop signal reaches it. `easel serve` sets the service's memory settings.
CMD ["node", "bin/easel.js", "serve"]
