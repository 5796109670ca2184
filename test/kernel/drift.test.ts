import { describeInside } from './inside.ts';

await describeInside('drift.test.ts');
