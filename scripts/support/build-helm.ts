import { labTools } from '../../test/lab/binaries.ts';
import { TOOL_MODULES } from '../../test/lab/tool-list.ts';
import { findHelm } from '../render-manifests.ts';
import { labProblem } from './machine.ts';

// The chart is rendered by the tests of everyday. A machine that builds the lab's programs anyway builds this one before them; another one skips those tests.
if (findHelm() === undefined && labProblem() === undefined)
  await labTools(TOOL_MODULES.filter(({ folder }) => folder === 'helm'));
