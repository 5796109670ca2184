import { describeInside } from './inside.ts';

await describeInside('packets.test.ts');
