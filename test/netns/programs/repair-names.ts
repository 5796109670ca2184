import { SYSTEM_PATHS } from '../../../src/cli/names/paths.ts';
import { repairNames } from '../../../src/cli/names/repair.ts';
import { createCommands } from '../../../src/host/exec.ts';

/* Repairs names as the beginning of `up` and `down` does, and says as JSON what it put right. */
console.log(JSON.stringify(await repairNames(SYSTEM_PATHS, createCommands())));
