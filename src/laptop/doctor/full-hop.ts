import { EVERYTHING } from '../../mesh/client-configuration.ts';
import { addressFamily, type IpAddress } from '../../net/address.ts';
import { cidrFamily } from '../../net/cidr.ts';
import { broken, type HopKind, NOT_REACHED, ok, skipped, unknown } from './hop.ts';
import { seen } from './seen.ts';

/** Public addresses of which everybody has heard: by which way a packet for them would leave is looked up, and none is sent. */
export const PUBLIC = ['1.1.1.1', '2606:4700:4700::1111'] as readonly string[] as readonly IpAddress[];

/** With a full tunnel everything goes into it, nothing beside it, and questions for names least of all. */
export const fullTunnel: HopKind = {
  name: 'full tunnel',
  judge({ supervisor, routing: look, files, name }) {
    if (files.kind === 'unusable' || supervisor.kind !== 'running') return NOT_REACHED;
    if (!supervisor.full) return skipped('the tunnel was brought up without --full: other traffic goes as without it');
    const routing = seen(look);
    if (routing === undefined) return look?.kind === 'unseen' ? unknown(look.why) : NOT_REACHED;
    const { device: own } = files.profile;
    const beside = PUBLIC.find((address) => ![own, undefined].includes(routing.ways.get(address)));
    if (beside !== undefined)
      return broken(
        `packets to ${beside} leave by ${routing.ways.get(beside)}, beside the tunnel: another program's rule comes first`,
        `sallyport down ${name} && sallyport up ${name}`,
      );
    const offered = files.configuration.gateways.flatMap(({ internet }) => internet);
    const carried = PUBLIC.filter((address) => offered.some((cidr) => cidrFamily(cidr) === addressFamily(address)));
    if (carried.length === 0)
      return broken(
        'the gateway takes no full tunnel any more, so what goes elsewhere than to the cluster is refused',
        'whoever runs the cluster sets spec.advertise.internet of the MeshGateway: kubectl edit meshgateway',
      );
    const lost = carried.find((address) => routing.ways.get(address) === undefined);
    if (lost !== undefined) return broken(`no way leads to ${lost}`, `sallyport down ${name} && sallyport up ${name}`);
    if (routing.guarded?.kind === 'seen' && !routing.guarded.value)
      return broken(
        'questions for names may leave beside the tunnel: the firewall rules against it are gone',
        `sallyport down ${name} && sallyport up ${name}`,
      );
    const dead = carried.length === EVERYTHING.length ? '' : '; what is of the other family is refused';
    const but = routing.guarded?.kind === 'unseen' ? `; ${routing.guarded.why}` : '';
    return ok(`${carried.join(' and ')} are reached by ${own}, and nothing beside it${dead}${but}`);
  },
};
