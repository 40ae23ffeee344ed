// Reads the configuration: a JSON or YAML file, SLUICE_… variables over it, secrets from env: and file:
// references, all checked as a whole. Faults name paths, never values.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse as parseYaml, YAMLParseError } from 'yaml';
import { SluiceError } from '../base/errors.ts';
import { configSchema, dataSchema, type GatewayConfig } from './config-schema.ts';
import { findJsonFault } from './json-fault.ts';

export type { GatewayConfig } from './config-schema.ts';

export interface ConfigFault {
  /** For example `messenger.pages.0.accessToken`; empty for the file itself. */
  readonly path: string;
  readonly message: string;
}

export interface LoadedConfig {
  readonly config?: GatewayConfig;
  readonly faults: readonly ConfigFault[];
  /** The file that was read, if any. */
  readonly file?: string;
}

const NO_FILE: ConfigFault = {
  path: '',
  message: 'no ./sluice.config.json, .yaml or .yml here; use -c FILE',
};
const NO_OBJECT: ConfigFault = { path: '', message: 'must be an object' };

type Environment = Readonly<Record<string, string | undefined>>;
type Tree = Record<string, unknown>;

const DEFAULT_FILES = ['sluice.config.json', 'sluice.config.yaml', 'sluice.config.yml'] as const;
const PREFIX = 'SLUICE_';
/** Variables of the program itself, which are not configuration. */
const NOT_CONFIGURATION =
  /^SLUICE_(ADDON|POISON|SUCCESSION|FUZZ_.*|TEST_.*|LOG_LEVEL|FSYNC_.*|FAULTS_.*|SYSCALL_.*)$/;
const TLS_FILES = /^listen\.\d+\.tls\.(cert|key|clientCa)$/;
const SECRET_PATHS =
  /^(messenger\.(verifyToken|appSecrets\.\d+|pages\.\d+\.accessToken)|agents\.jwt\.secret|admin\.token)$/;
const TLS_SECRETS = /^listen\.\d+\.tls\.(key|passphrase)$/;

function camelCase(part: string): string {
  return part.toLowerCase().replace(/_([a-z0-9])/g, (_all, letter: string) => letter.toUpperCase());
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text; // Not JSON: the text itself is the value.
  }
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null;
}

/** Sets a value in a tree of objects and lists; digits name a list's member. */
function setPath(tree: Tree, path: readonly string[], value: unknown): void {
  let node = tree;
  for (const [index, key] of path.entries()) {
    if (index === path.length - 1) {
      node[key] = value;
      return;
    }
    const existing = Object.hasOwn(node, key) ? node[key] : undefined;
    const next = isTree(existing) ? existing : /^\d+$/.test(path[index + 1] ?? '') ? [] : {};
    node[key] = next;
    node = next as Tree;
  }
}

function getPath(tree: unknown, path: readonly PropertyKey[]): unknown {
  let node = tree;
  for (const key of path) {
    if (!isTree(node) || !Object.hasOwn(node, key)) return undefined;
    node = node[String(key)];
  }
  return node;
}

/** Applies SLUICE_… variables; returns the raw text by path, for values that must stay text. */
function applyEnvironment(tree: Tree, env: Environment): Map<string, string> {
  const raw = new Map<string, string>();
  for (const name of Object.keys(env).sort()) {
    const text = env[name];
    if (!name.startsWith(PREFIX) || text === undefined || NOT_CONFIGURATION.test(name)) continue;
    const path = name.slice(PREFIX.length).split('__').map(camelCase);
    setPath(tree, path, parseJson(text));
    raw.set(path.join('.'), text);
  }
  return raw;
}

function* leaves(node: unknown, path: readonly string[] = []): Generator<[string[], unknown]> {
  if (isTree(node)) {
    for (const key of Object.keys(node)) yield* leaves(node[key], [...path, key]);
  } else {
    yield [[...path], node];
  }
}

function readSecret(reference: string, env: Environment, base: string): string {
  if (reference.startsWith('env:')) return env[reference.slice(4)] ?? '';
  return readFileSync(resolve(base, reference.slice(5)), 'utf8').replace(/\r?\n$/, '');
}

/** Replaces env:NAME and file:PATH in the places that hold secrets. */
function resolveSecrets(tree: Tree, env: Environment, base: string): ConfigFault[] {
  const faults: ConfigFault[] = [];
  for (const [path, value] of [...leaves(tree)]) {
    const name = path.join('.');
    if (typeof value !== 'string' || !(SECRET_PATHS.test(name) || TLS_SECRETS.test(name))) continue;
    if (!value.startsWith('env:') && !value.startsWith('file:')) continue;
    try {
      const text = readSecret(value, env, base);
      if (text === '') faults.push({ path: name, message: `${value} is not set or empty` });
      setPath(tree, path, text === '' ? 'x'.repeat(64) : text);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
      faults.push({ path: name, message: `the file it names cannot be read (${code})` });
      setPath(tree, path, 'x'.repeat(64));
    }
  }
  return faults;
}

/** Files of certificates lie where the configuration does, unless they say otherwise. */
function resolveTlsFiles(tree: Tree, base: string): void {
  for (const [path, value] of [...leaves(tree)]) {
    if (!TLS_FILES.test(path.join('.')) || typeof value !== 'string' || value === '') continue;
    if (!value.includes('-----BEGIN')) setPath(tree, path, resolve(base, value));
  }
}

/**
 * Checks a tree; a variable whose JSON value is no text where text is wanted counts as its text.
 */
function validate(tree: Tree, raw: ReadonlyMap<string, string>): LoadedConfig {
  let result = configSchema.safeParse(tree);
  if (!result.success) {
    for (const issue of result.error.issues) {
      const text = raw.get(issue.path.join('.'));
      if (text !== undefined && issue.code === 'invalid_type' && issue.expected === 'string') {
        setPath(tree, issue.path.map(String), text);
      }
    }
    result = configSchema.safeParse(tree);
  }
  if (result.success) return { config: result.data, faults: [] };
  const faults = result.error.issues.flatMap((issue): ConfigFault[] => {
    const path = issue.path.join('.');
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({
        path: path === '' ? key : `${path}.${key}`,
        message: 'is not a known key',
      }));
    }
    const isMissing = getPath(tree, issue.path) === undefined;
    return [
      { path, message: isMissing && issue.code === 'invalid_type' ? 'is missing' : issue.message },
    ];
  });
  return { faults };
}

/** Checks a configuration that is already a tree (tests, `sluice dev`). */
export function checkConfig(input: unknown, env: Environment = {}, base = '.'): LoadedConfig {
  if (!isTree(input) || Array.isArray(input)) {
    return { faults: [NO_OBJECT] };
  }
  const tree = structuredClone(input);
  const raw = applyEnvironment(tree, env);
  const secretFaults = resolveSecrets(tree, env, base);
  resolveTlsFiles(tree, base);
  const checked = validate(tree, raw);
  const faults = [...secretFaults, ...checked.faults];
  return faults.length === 0 ? checked : { faults };
}

interface ReadFile {
  readonly file?: string;
  readonly tree: unknown;
  readonly fault?: ConfigFault;
}

/** A parser's message may quote the text, which may be a secret: of a fault there is the place alone. */
function parseText(text: string, isJson: boolean): { tree: unknown; syntaxFault?: string } {
  try {
    // Warnings would go to standard error, and quote.
    const tree: unknown = isJson ? JSON.parse(text) : parseYaml(text, { logLevel: 'error' });
    return { tree: tree ?? {} };
  } catch (error) {
    const place = error instanceof YAMLParseError ? error.linePos?.[0] : undefined;
    const { line, col } = (isJson ? findJsonFault(text) : place) ?? {};
    const where = line === undefined ? '' : `: line ${line}, column ${col}`;
    return { tree: {}, syntaxFault: `is not valid ${isJson ? 'JSON' : 'YAML'}${where}` };
  }
}

function readTree(file: string | undefined): ReadFile {
  const chosen = file ?? DEFAULT_FILES.find((name) => existsSync(name));
  if (chosen === undefined) return { tree: {} };
  let text: string;
  try {
    text = readFileSync(chosen, 'utf8');
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    const fault = { path: chosen, message: `cannot be read (${code})` };
    return { file: chosen, tree: {}, fault };
  }
  const { tree, syntaxFault } = parseText(text, chosen.endsWith('.json'));
  if (syntaxFault === undefined) return { file: chosen, tree };
  return { file: chosen, tree, fault: { path: chosen, message: syntaxFault } };
}

/**
 * Loads and checks the configuration.
 * @param file path of a .json, .yaml or .yml file; absent: ./sluice.config.json, .yaml or .yml if there is one
 * @param env the process's environment
 * @returns the configuration, or every fault that was found
 */
export function loadConfig(file: string | undefined, env: Environment): LoadedConfig {
  const read = readTree(file);
  if (read.file === undefined) {
    // Variables alone can be a whole configuration; else what is missing is the file.
    const checked = checkConfig(read.tree, env);
    return checked.faults.length === 0 ? checked : { faults: [NO_FILE, ...checked.faults] };
  }
  if (read.fault !== undefined) return { file: read.file, faults: [read.fault] };
  return { file: read.file, ...checkConfig(read.tree, env, dirname(read.file)) };
}

/**
 * The data folder alone: who asks a gateway that runs may be without its secrets.
 * @throws SluiceError ERR_CONFIG when the file cannot be read, or names no folder
 */
export function loadDataFolder(file: string | undefined, env: Environment): string {
  const { file: chosen, tree, fault } = readTree(file);
  if (fault !== undefined) throw configError([fault]);
  if (!isTree(tree) || Array.isArray(tree)) throw configError([NO_OBJECT]);
  const raw = applyEnvironment(tree, env);
  if (chosen === undefined && raw.size === 0) throw configError([NO_FILE]);
  let data = dataSchema.safeParse(tree['data']);
  // A variable that is a number names a folder all the same.
  if (!data.success && raw.has('data')) data = dataSchema.safeParse(raw.get('data'));
  if (data.success) return data.data;
  const message = data.error.issues[0]?.message ?? 'is no folder';
  throw configError([{ path: 'data', message }]);
}

/** A fault as one line. */
export function faultText({ path, message }: ConfigFault): string {
  return path === '' ? message : `${path}: ${message}`;
}

/** The faults as one error. */
export function configError(faults: readonly ConfigFault[]): SluiceError {
  const lines = faults.map((fault) => `  ${faultText(fault)}`);
  return new SluiceError('ERR_CONFIG', `the configuration has faults:\n${lines.join('\n')}`);
}
