import { prepareMachine } from '../../test/kernel/machine.ts';
import { labTools } from '../../test/lab/binaries.ts';
import { userModeLinux } from '../../test/lab/linux-build.ts';
import { KIND_MODULE, TOOL_MODULES } from '../../test/lab/tool-list.ts';
import { kernelProblem } from './machine.ts';

// Before the tests and not in them, so that a first build of many minutes is seen line by line and counts against no test's time.
await labTools([...TOOL_MODULES, KIND_MODULE]);
if (kernelProblem() === undefined) {
  // The lab's nodes run on this one whatever the kernel ring's guests run on.
  await userModeLinux();
  await prepareMachine();
}
