import { Namespace } from '../namespace.ts';

/*
 * Makes a network namespace, starts a program there that is in a session of its own, prints that one's process id, and waits to be killed.
 */
const namespace = await Namespace.create();
console.log(await namespace.commands.run(['sh', '-c', 'setsid sleep 600 >/dev/null 2>&1 & echo $!']));
setInterval(() => undefined, 60_000);
