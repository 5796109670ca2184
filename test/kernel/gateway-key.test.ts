import { describeInside } from './inside.ts';

await describeInside('gateway-key.test.ts', 'a gateway with another key');
