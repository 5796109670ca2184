import { describeInside } from './inside.ts';

await describeInside('path.test.ts', 'a race over|is killed|black hole|forgotten|idle');
