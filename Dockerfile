# What is in the image, and why: image/README.md.
# A release passes the base with its digest: --build-arg NODE_IMAGE=node:24-trixie-slim@sha256:…
ARG NODE_IMAGE=node:24-trixie-slim

FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS bundles
WORKDIR /source
COPY package.json package-lock.json .npmrc ./
# Without scripts: the bundler needs none, and nobody else's code runs here.
RUN npm ci --ignore-scripts
COPY tsconfig.json ./
COPY scripts/build.ts scripts/
COPY src src
RUN node scripts/build.ts operator agent

FROM ${NODE_IMAGE} AS installed
RUN --mount=type=bind,source=image/packages.txt,target=/packages.txt \
    apt-get update \
    && xargs --arg-file=/packages.txt apt-get install --yes --no-install-recommends

FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS collected
WORKDIR /source
COPY package.json ./
COPY image image
COPY --from=bundles /source/dist dist
# Takes what the list names, with the libraries that it needs, and tries each program where there is nothing else. For another platform than
# this one, an emulator runs those programs, and not what collects them.
RUN --mount=type=bind,from=installed,target=/installed,rw node image/assemble.ts /installed /image

FROM scratch
COPY --from=collected /image /
ENV PATH=/usr/bin NODE_ENV=production
USER 65532:65532
WORKDIR /app
CMD ["node", "/app/operator.mjs", "run"]
