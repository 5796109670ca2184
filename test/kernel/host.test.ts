import { describeInside } from './inside.ts';

await describeInside('host.test.ts');
