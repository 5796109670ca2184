import { describeInside } from './inside.ts';

await describeInside('calling.test.ts', 'called');
