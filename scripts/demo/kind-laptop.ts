/** wg-quick's DNS lines need a resolvconf; a container's resolv.conf is a mount that can be written but not replaced. */
const RESOLVCONF = [
  '#!/bin/sh',
  'case "$1" in',
  '  -a) cp /etc/resolv.conf /run/resolv.conf.before; cat > /etc/resolv.conf ;;',
  '  -d) cat /run/resolv.conf.before > /etc/resolv.conf ;;',
  'esac',
];

/** A laptop for the demo on kind: Debian with WireGuard's stock tools, which fall back to wireguard-go by themselves. */
export const LAPTOP_DOCKERFILE = `FROM debian:trixie-slim
RUN apt-get update \\
 && apt-get install --yes --no-install-recommends wireguard-tools wireguard-go iproute2 iputils-ping curl \\
 && rm -rf /var/lib/apt/lists/*
RUN printf '%s\\n' ${RESOLVCONF.map((line) => `'${line}'`).join(' ')} > /usr/local/sbin/resolvconf \\
 && chmod 755 /usr/local/sbin/resolvconf \\
 && mkdir -p /etc/wireguard && chmod 700 /etc/wireguard
ENV WG_QUICK_USERSPACE_IMPLEMENTATION=wireguard-go
CMD ["sleep", "infinity"]
`;
