import { describeInside } from './inside.ts';

await describeInside('rotating-key.test.ts', 'a device');
