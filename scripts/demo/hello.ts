import { createServer } from 'node:http';
import { hostname } from 'node:os';

/** The web server of the demo's lab, where no image can be fetched. It takes the arguments that hello.yaml gives to another. */
const argument = (name: string, otherwise: string): string =>
  process.argv.find((word) => word.startsWith(`-${name}=`))?.slice(name.length + 2) ?? otherwise;

const text = `${argument('text', 'Hello')}, says ${hostname()}\n`;
const port = Number(argument('listen', ':8080').replace(/^.*:/, ''));

createServer((_, response) => response.end(text)).listen(port);
process.on('SIGTERM', () => process.exit(0));
