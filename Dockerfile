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
# Memory settings, the same as in `npm start`. glibc returns large blocks to the system when they are freed, instead of keeping them
# in one arena for each thread; V8 (see CMD) collects its young generation in smaller steps. With 64 pictures of 4 MB in flight
# (`npm run bench -- memory`) the peak is 525 to 530 MB instead of 660 to 710, and 270 to 320 MB of it remain instead of all. The old
# generation, which is small, may grow to three times its size before V8 collects it: a fifteenth less processor time for a picture.
ENV MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=131072
COPY --from=dependencies /app/node_modules node_modules
COPY package.json LICENSE ./
# The software bill of materials, for vulnerability scanners.
COPY --from=dependencies /app/sbom.cdx.json ./
COPY bin bin
COPY src src
# A new volume gets the owner of the folder that it is mounted over.
RUN mkdir media .data && chown node:node media .data
USER node
VOLUME ["/app/media", "/app/.data"]
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/live`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
# Node itself is process 1, with no shell before it, so that the stop signal reaches it.
CMD ["node", "--max-semi-space-size=8", "--heap-growing-percent=200", "src/main.ts"]
