import { fetchIpvsadm } from '../netns/ipvs.ts';
import { describeInside } from './inside.ts';

// A guest has no way to the Internet.
await fetchIpvsadm();
// When the agent reads a report, and that a flood comes from few addresses, is nothing to WireGuard.
await describeInside('balancer.test.ts', '\\((nftables|iptables|translated|ipvs)|by itself|thousands');
