import { ago } from '../../net/duration.ts';
import type { FilesFinding, Findings, KeyFinding } from './findings.ts';
import { broken, type HopKind, type Judgement, NOT_REACHED, ok, unknown } from './hop.ts';
import { anyAnswered, seen } from './seen.ts';

type Read = Extract<FilesFinding, { readonly kind: 'read' }>;

/** What a clock may be off while nobody minds. */
const CLOCK_TOLERANCE_MS = 60_000;
const PRIVATE = 0o077;

/**
 * A gateway takes no handshake that is older than one it has seen (WireGuard paper, section 5.1), so a clock that was put back shuts the
 * device out. One that is wrong but only grows works, and is told.
 */
export const clock: HopKind = {
  name: 'clock',
  judge({ clock: look, endpoints }) {
    if (look.kind === 'unseen') return unknown(look.why);
    const { against, aheadMs } = look.value;
    const off = `${ago(Math.abs(aheadMs))} ${aheadMs > 0 ? 'ahead of' : 'behind'} that of ${against}`;
    if (Math.abs(aheadMs) <= CLOCK_TOLERANCE_MS) return ok(`it agrees with that of ${against}`);
    if (anyAnswered(endpoints)) return ok(`it is ${off}, and the gateways answer all the same`);
    return broken(
      `the clock of this device is ${off}; gateways refuse handshakes that are older than the last one`,
      'sudo timedatectl set-ntp true',
    );
  },
};

/** The profile and its configuration can be read. */
export const profile: HopKind = {
  name: 'profile',
  judge({ files, name }) {
    if (files.kind === 'unusable')
      return broken(files.problem, `rm -r ${files.folder} && sallyport join --profile ${name}`);
    const { profile: found, configuration } = files;
    const gateways = configuration.gateways.map(({ name }) => name).join(', ');
    return ok(
      `this device is ${found.namespace}/${found.peer} with ${configuration.addresses.join(', ')}, by gateway ${gateways}`,
    );
  },
};

/** The private key is there, is nobody else's to read, and is the one that the cluster knows. */
export const key: HopKind = {
  name: 'key',
  judge(findings) {
    const { files, name } = findings;
    if (files.kind === 'unusable') return NOT_REACHED;
    const { configuration, hasPresharedKeyFile } = files;
    if (configuration.hasPresharedKey && !hasPresharedKeyFile)
      return broken(
        'the gateways ask this device for a preshared key, and the profile has none',
        `sallyport join --profile ${name} --preshared-key FILE`,
      );
    const { key: found } = files;
    return found.kind === 'read' ? usableKey(findings, files, found) : withoutKey(found, files, name);
  },
};

function withoutKey(
  found: Exclude<KeyFinding, { readonly kind: 'read' }>,
  { profile: own }: Read,
  name: string,
): Judgement {
  // The cluster gives the MeshPeer of another key away to nobody.
  const mend = `kubectl delete meshpeer -n ${own.namespace} ${own.peer} && sallyport leave ${name} --local && sallyport join --profile ${name}`;
  return found.kind === 'absent'
    ? broken('the profile has no private key', mend)
    : broken(`the private key cannot be used: ${found.problem}`, mend);
}

function usableKey(
  { cluster, name }: Findings,
  { otherPublicKey }: Read,
  { mode, file, publicKey }: Extract<KeyFinding, { readonly kind: 'read' }>,
): Judgement {
  if ((mode & PRIVATE) !== 0)
    return broken(
      `others than its owner may read ${file} (mode ${mode.toString(8).padStart(4, '0')})`,
      `chmod 600 ${file}`,
    );
  const { publicKey: known, nextPublicKey: next } = seen(seen(cluster)?.peer)?.spec ?? {};
  const brokenOff = `; a rotation was broken off, which ends with: sallyport rotate ${name}`;
  const half = `${publicKey}${otherPublicKey === undefined && next !== publicKey ? '' : brokenOff}`;
  if (known === undefined) return ok(`it is private; its public half is ${half}`);
  if (known === publicKey || next === publicKey)
    return ok(`it is private, and the cluster knows its public half ${half}`);
  if (known === otherPublicKey)
    return broken(
      'the cluster knows the other key of a rotation that did not come to its end here',
      `sallyport rotate ${name}`,
    );
  return broken(
    `the cluster knows another key for this device, ${known}, than the one here, ${publicKey}`,
    `sallyport leave ${name} --local && sallyport join --profile ${name} --name OTHER-NAME`,
  );
}

/** The cluster's time for the device is not over. */
export const expiry: HopKind = {
  name: 'expiry',
  judge({ files, clock: look, cluster, now, name }) {
    if (files.kind === 'unusable') return NOT_REACHED;
    const expiresAt = seen(seen(cluster)?.peer)?.spec.expiresAt ?? files.profile.expiresAt;
    if (expiresAt === undefined) return ok('this device may stay as long as it likes');
    const left = Date.parse(expiresAt) - (now - (seen(look)?.aheadMs ?? 0));
    if (left > 0) return ok(`${ago(left)} are left`);
    return broken(
      `the time of this device was over ${ago(-left)} ago (${expiresAt})`,
      `sallyport join --profile ${name} --expires 8h`,
    );
  },
};
