import { describeInside } from './inside.ts';

await describeInside(
  'gateway-key.test.ts',
  'serves it before|takes the new key|reach each other|goes back|put back|another agent|former key ends|left as it was',
);
