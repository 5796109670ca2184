import { describeInside } from './inside.ts';

await describeInside('node-faults.test.ts');
await describeInside('node-faults.test.ts', 'kernel has no IPv6', ['ipv6.disable=1']);
