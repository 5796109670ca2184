/**
 * Prepares this machine for one of the project's scripts, then runs the script with the Node that package.json pins.
 *
 *   node scripts/bootstrap.mjs SCRIPT [arguments]
 *
 * Plain JavaScript without dependencies, because it runs before any is installed, on any Node from 20 on. Every step looks first
 * and acts only where something is missing, so it may be interrupted and started again at any time.
 */
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { constants as os } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const NODE = join(ROOT, 'node_modules', '.bin', 'node');
const NEEDS = JSON.parse(readFileSync(join(ROOT, 'scripts', 'support', 'needs.json'), 'utf8'));

/** Scripts that build on a cluster. What `test.ts` cannot have, it skips loudly by itself; the others cannot start without it. */
const CLUSTER_SCRIPTS = new Map([
  ['scripts/test.ts', { required: false }],
  ['scripts/demo.ts', { required: true }],
  ['scripts/bench.ts', { required: true }],
]);

/** The rings of `test.ts` that need more than the npm packages. */
const MACHINE_RINGS = new Set(['netns', 'kernel', 'lab']);

const [script, ...scriptArguments] = process.argv.slice(2);
if (script === undefined) stop('usage: node scripts/bootstrap.mjs SCRIPT [arguments]');

const env = { ...process.env, PATH: searchPath().join(delimiter) };
installPackages();
const cluster = CLUSTER_SCRIPTS.get(script);
if (cluster !== undefined && needsTheMachine()) prepareMachine(cluster.required);
runScript();

/** Whether the script will touch more than its own files; `--list` and the rings without packets do not. */
function needsTheMachine() {
  if (scriptArguments.some((word) => ['--list', '--help', '-h'].includes(word))) return false;
  const rings = scriptArguments.flatMap((word, at) =>
    word === '--ring' ? [scriptArguments[at + 1]] : word.startsWith('--ring=') ? [word.slice(7)] : [],
  );
  return script !== 'scripts/test.ts' || rings.length === 0 || rings.some((ring) => MACHINE_RINGS.has(ring));
}

function installPackages() {
  const reason = staleness();
  if (reason !== undefined) {
    say(`installing the npm packages that package-lock.json names (${reason})`);
    npm(['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  }
  if (!isProgram(NODE)) {
    say("Node's own package was installed without its install script; running it");
    npm(['rebuild', 'node', '--ignore-scripts=false', '--loglevel=error']);
  }
  if (!isProgram(NODE))
    stop(`${NODE} is missing: does npm's configuration forbid install scripts? Run: npm rebuild node`);
}

/** Why node_modules is not what package-lock.json asks for; undefined when it is. npm writes its own list last, so a broken-off install shows. */
function staleness() {
  const installed = packagesOf(join(ROOT, 'node_modules', '.package-lock.json'));
  if (installed === undefined) return 'there are none yet';
  const wanted = packagesOf(join(ROOT, 'package-lock.json')) ?? {};
  const stale = Object.entries(wanted).find(([path, { version, optional }]) => {
    const found = installed[path];
    return path !== '' && (found === undefined ? optional !== true : found.version !== version);
  });
  return stale === undefined ? undefined : `${stale[0].replace(/^.*node_modules\//, '')} is missing or old`;
}

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

function npm(words) {
  const cli = process.env.npm_execpath;
  const [command, ...first] = cli?.endsWith('.js') ? [process.execPath, cli] : ['npm'];
  must(command, [...first, ...words], `npm ${words[0]}`);
}

function prepareMachine(required) {
  if (process.platform !== 'linux') {
    if (!dockerAnswers()) settle(required, 'a Linux machine, or a Docker engine that answers `docker info`, is needed');
    return;
  }
  if (script === 'scripts/demo.ts' && dockerAnswers()) return prepareKind(required);
  const packages = missingPackages();
  if (packages.length > 0) installSystemPackages(packages, required);
  else fetchPackageLists();
  const problem = goProblem();
  if (problem !== undefined) settle(required, problem);
}

/** With Docker the demo runs on kind, which needs nothing of the machine but three programs, or Go to build those that are missing. */
function prepareKind(required) {
  const missing = ['kind', 'kubectl', 'helm'].filter((command) => find(command) === undefined);
  const problem = goProblem();
  if (missing.length > 0 && problem !== undefined)
    settle(required, `${missing.join(', ')} must be installed, or be built by Go. ${problem}`);
}

function missingPackages() {
  const wanted = { ...NEEDS.commands, ...more() };
  const commands = Object.entries(wanted).filter(([command]) => find(command) === undefined);
  const files = Object.entries(NEEDS.files).filter(([file]) => !existsSync(file));
  return [...commands, ...files].map(([, name]) => name);
}

/** The tests and the benchmarks build a kernel; each has a program of its own. */
function more() {
  const stock = process.env.SALLYPORT_GUEST_KERNEL === 'stock' ? NEEDS.stockKernelCommands : {};
  if (script === 'scripts/test.ts') return { ...NEEDS.kernelCommands, ...stock, ...NEEDS.evidenceCommands };
  if (script === 'scripts/bench.ts') return { ...NEEDS.kernelCommands, ...NEEDS.benchCommands };
  return {};
}

function installSystemPackages(packages, required) {
  const install = ['install', '--yes', '--no-install-recommends', ...packages];
  const byHand = `apt-get update && apt-get ${install.join(' ')}`;
  if (find('apt-get') === undefined) {
    settle(required, `these packages are missing (names as in Debian): ${packages.join(' ')}`);
  } else if (process.getuid() !== 0) {
    settle(required, `system packages are missing. Install them with:\n  sudo sh -c '${byHand}'`);
  } else {
    say(`installing the system packages that are missing: ${packages.join(' ')}`);
    apt(['update']);
    apt(install);
  }
}

function apt(words) {
  Object.assign(env, { DEBIAN_FRONTEND: 'noninteractive' });
  must('apt-get', ['-o', 'DPkg::Lock::Timeout=300', '--quiet', ...words], `apt-get ${words[0]}`);
}

/**
 * A laptop of the lab gets Debian's openresolv, and the guests a kernel from Debian's source: fetched but never installed, for
 * which apt must know what there is.
 */
function fetchPackageLists() {
  if (process.getuid() !== 0 || find('apt-get') === undefined) return;
  if (readdirSync(NEEDS.aptLists).some((name) => name.includes('Packages'))) return;
  say('fetching the lists of system packages');
  apt(['update']);
}

/** What is wrong with this machine's Go. From 1.21 on, any Go can fetch the release that the lab builds with. */
function goProblem() {
  const wanted = `1.${NEEDS.go.minor}`;
  const remedy = `Unpack Go ${wanted} from go.dev/dl into /usr/local (how: go.dev/doc/install); ${NEEDS.go.folder} is searched even where PATH lacks it.
  It builds Kubernetes and its parts from source, once.`;
  const command = find('go');
  if (command === undefined) return `Go ${wanted} is needed and there is none. ${remedy}`;
  const version = (spawnSync(command, ['env', 'GOVERSION'], { cwd: '/', encoding: 'utf8' }).stdout ?? '').trim();
  const [, minor] = /^go1\.(\d+)/.exec(version) ?? [];
  if (Number(minor) >= NEEDS.go.oldestMinor) return undefined;
  return `Go ${wanted} is needed, and ${command} is ${version || 'too old to say its version'}, as distributions' packages often are. ${remedy}`;
}

/** Says what is missing: the end for a script that cannot do without, a notice for one that skips what it cannot run. */
function settle(required, problem) {
  if (required) stop(problem);
  say(`not everything can run here: ${problem}`);
}

function dockerAnswers() {
  return spawnSync('docker', ['info'], { stdio: 'ignore' }).status === 0;
}

function runScript() {
  const child = spawn(NODE, [join(ROOT, script), ...scriptArguments], { stdio: 'inherit', env });
  const forward = (signal) => child.kill(signal);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, forward);
  if (process.env.npm_lifecycle_event !== undefined) onceOrphaned(() => forward('SIGTERM'));
  child.on('error', (error) => stop(`cannot start ${NODE}: ${error.message}`));
  child.on('exit', (code, signal) => process.exit(code ?? 128 + os.signals[signal]));
}

/** npm passes a SIGTERM on to its shell, and the shell dies of it without passing it on to us. */
function onceOrphaned(act) {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    act();
  }, 500);
}

/** The folders to look for commands in: the project's own first, and those that a user's PATH often lacks last. */
function searchPath() {
  const given = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const own = join(ROOT, 'node_modules', '.bin');
  return [...new Set([own, ...given, '/usr/local/sbin', '/usr/sbin', '/sbin', NEEDS.go.folder])];
}

function find(command) {
  return searchPath()
    .map((folder) => join(folder, command))
    .find(isProgram);
}

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile() && statSync(path).size > 0;
  } catch {
    return false;
  }
}

/** Runs a command to its end in sight of the user, without standard input; ends this program when it fails. */
function must(command, words, name) {
  const { status, signal, error } = spawnSync(command, words, {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (error !== undefined) stop(`cannot run ${name}: ${error.message}`);
  if (signal !== null) process.exit(128 + os.signals[signal]);
  if (status !== 0) stop(`${name} failed (exit status ${status}); its message is above`);
}

function say(text) {
  console.log(`bootstrap: ${text}`);
}

function stop(text) {
  console.error(`bootstrap: ${text}`);
  process.exit(1);
}
