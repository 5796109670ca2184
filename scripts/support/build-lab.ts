import { labTools } from '../../test/lab/binaries.ts';
import { KIND_MODULE, TOOL_MODULES } from '../../test/lab/tool-list.ts';

// Before the tests and not in them, so that a first build of many minutes is seen line by line and counts against no test's time.
await labTools([...TOOL_MODULES, KIND_MODULE]);
