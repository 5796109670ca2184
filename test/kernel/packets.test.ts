import { describeInside } from './inside.ts';

// The other mode takes two minutes more, and differs in what stands in for kube-proxy, not in WireGuard.
await describeInside('packets.test.ts', 'nftables mode');
