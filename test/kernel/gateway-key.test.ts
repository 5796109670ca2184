import { describeInside } from './inside.ts';

await describeInside(
  'gateway-key.test.ts',
  'serves it before|takes the new key|reach each other|goes back|another agent|left as it was',
);
