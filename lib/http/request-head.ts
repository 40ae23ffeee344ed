// What a scanned head means: framing of the body, keep-alive, expectation, host. Whatever two readers
// could understand in two ways is refused (RFC 9112 section 6.3 and 11.2), nothing is repaired.

import { CR, HTAB, isAuthority } from './characters.ts';
import { HTTP_FAULTS, type HttpFault } from './faults.ts';
import { internFieldName } from './field-names.ts';
import { type HeadScanner, SPAN_WIDTH } from './head-scanner.ts';
import { CONTENT_LENGTH_DIGITS_MAX } from './limits.ts';

/** Connection options that are looked at; a longer list is refused. */
const CONNECTION_OPTIONS_MAX = 16;
const NO_OPTIONS: readonly string[] = [];
const ABSOLUTE_FORM = /^https?:\/\/([^/?]*)(.*)$/i;
const METHODS = ['GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'] as const;

/** Every Buffer has it; `toString` looks its encoding up first. */
interface Latin1Buffer extends Buffer {
  latin1Slice(start: number, end: number): string;
}

export interface RequestHead {
  readonly method: string;
  /** As it came. */
  readonly target: string;
  /** Path and query in origin form ('/a?b'), or '*'. */
  readonly resource: string;
  readonly minorVersion: number;
  /** Name and value alternating, in order; names in lower case. */
  readonly fields: readonly string[];
  /** Bytes of the body; 0 without one; -1 when it is chunked. */
  readonly contentLength: number;
  /** False when the client wants, or its version means, a close after the response. */
  readonly keepAlive: boolean;
  readonly expectsContinue: boolean;
  /** True for HTTP/1.1 with `websocket` among the protocols of Upgrade. */
  readonly wantsWebSocket: boolean;
}

/** What the fields say, collected in one pass. */
export interface FieldFacts {
  host: string | undefined;
  isHostBad: boolean;
  contentLength: string | undefined;
  transferEncoding: string | undefined;
  connection: string | undefined;
  expect: string | undefined;
  upgrade: string | undefined;
}

/**
 * @param scanner has scanned the whole head
 * @param bytes   holds it from `base` on
 * @returns the head, or why it is refused
 */
export function readHead(
  scanner: HeadScanner,
  bytes: Buffer,
  base: number,
): RequestHead | HttpFault {
  const { known, isKnown, minorVersion } = scanner;
  const end = isKnown ? scanner.targetEnd : scanner.length;
  const text = (bytes as Latin1Buffer).latin1Slice(base, base + end);
  const method = methodOf(text, scanner);
  const target = text.substring(scanner.methodEnd + 1, scanner.targetEnd);
  if (isKnown && known.facts !== undefined) {
    return interpret(method, target, minorVersion, known.fields, known.facts);
  }
  const fields = readFields(scanner, bytes, base, text);
  const facts = factsOf(scanner, bytes, base, fields);
  if ('status' in facts) return facts;
  const head = interpret(method, target, minorVersion, fields, facts);
  if (!isFault(head)) {
    known.keep(bytes, base + scanner.fieldsStart, base + scanner.length, fields, facts);
  }
  return head;
}

/** What the fields say by themselves, or why they may not stand together. */
function factsOf(
  scanner: HeadScanner,
  bytes: Buffer,
  base: number,
  fields: readonly string[],
): FieldFacts | HttpFault {
  const facts: FieldFacts = {
    host: undefined,
    isHostBad: false,
    contentLength: undefined,
    transferEncoding: undefined,
    connection: undefined,
    expect: undefined,
    upgrade: undefined,
  };
  const fault = collectFacts(fields, facts);
  if (fault !== undefined) return fault;
  if (facts.contentLength !== undefined || facts.transferEncoding !== undefined) {
    const tab = findFramingTab(scanner, bytes, base, fields);
    if (tab !== undefined) return tab;
  }
  if (facts.host !== undefined && facts.host !== scanner.knownHost) {
    if (isAuthority(facts.host)) scanner.knownHost = facts.host;
    else facts.isHostBad = true;
  }
  return facts;
}

/** True for a refusal. */
export function isFault(value: RequestHead | HttpFault): value is HttpFault {
  return 'status' in value;
}

function methodOf(text: string, scanner: HeadScanner): string {
  const length = scanner.methodEnd - scanner.methodStart;
  for (const method of METHODS) {
    if (method.length === length && text.startsWith(method, scanner.methodStart)) return method;
  }
  return text.substring(scanner.methodStart, scanner.methodEnd);
}

function readFields(scanner: HeadScanner, bytes: Buffer, base: number, text: string): string[] {
  const { spans, fieldCount } = scanner;
  const fields: string[] = [];
  for (let span = 0; span < fieldCount * SPAN_WIDTH; span += SPAN_WIDTH) {
    const start = spans[span] ?? 0;
    const end = spans[span + 1] ?? 0;
    const interned = internFieldName(bytes, base + start, base + end, spans[span + 2] ?? 0);
    fields.push(interned ?? text.substring(start, end).toLowerCase());
    fields.push(text.substring(spans[span + 3] ?? 0, spans[span + 4] ?? 0));
  }
  return fields;
}

/**
 * A tab around the value of a framing field is optional whitespace to some readers and a part of the
 * value to others (llhttp), who then see another body: refused.
 */
function findFramingTab(
  scanner: HeadScanner,
  bytes: Buffer,
  base: number,
  fields: readonly string[],
): HttpFault | undefined {
  const { spans } = scanner;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i];
    if (name !== 'content-length' && name !== 'transfer-encoding') continue;
    const span = (i / 2) * SPAN_WIDTH;
    const nameEnd = base + (spans[span + 1] ?? 0);
    for (let at = nameEnd; bytes[at] !== CR; at++) {
      if (bytes[at] !== HTAB) continue;
      return name === 'content-length' ? HTTP_FAULTS.contentLength : HTTP_FAULTS.transferCoding;
    }
  }
  return undefined;
}

function collectFacts(fields: readonly string[], facts: FieldFacts): HttpFault | undefined {
  for (let i = 0; i < fields.length; i += 2) {
    const value = fields[i + 1] ?? '';
    switch (fields[i]) {
      case 'host':
        if (facts.host !== undefined) return HTTP_FAULTS.hostRepeated;
        facts.host = value;
        break;
      case 'content-length':
        if (facts.contentLength !== undefined) return HTTP_FAULTS.contentLengthRepeated;
        facts.contentLength = value;
        break;
      case 'transfer-encoding':
        if (facts.transferEncoding !== undefined) return HTTP_FAULTS.transferCoding;
        facts.transferEncoding = value;
        break;
      case 'connection':
        facts.connection = joined(facts.connection, value);
        break;
      case 'expect':
        facts.expect = joined(facts.expect, value);
        break;
      case 'upgrade':
        facts.upgrade = joined(facts.upgrade, value);
        break;
      default:
    }
  }
  return undefined;
}

function interpret(
  method: string,
  target: string,
  minorVersion: number,
  fields: readonly string[],
  facts: FieldFacts,
): RequestHead | HttpFault {
  const contentLength = bodyLengthOf(facts, minorVersion);
  if (typeof contentLength !== 'number') return contentLength;
  const resource = resourceOf(method, target, minorVersion, facts);
  if (typeof resource !== 'string') return resource;
  const options = connectionOptions(facts.connection);
  if (options === undefined) return HTTP_FAULTS.connection;
  const expectsContinue = facts.expect !== undefined && minorVersion === 1;
  if (expectsContinue && facts.expect?.toLowerCase() !== '100-continue') {
    return HTTP_FAULTS.expectation;
  }
  const isPersistent = minorVersion === 1 || options.includes('keep-alive');
  return {
    method,
    target,
    resource,
    minorVersion,
    fields,
    contentLength,
    keepAlive: isPersistent && !options.includes('close'),
    expectsContinue: expectsContinue && contentLength !== 0,
    wantsWebSocket: minorVersion === 1 && hasWebSocket(facts.upgrade),
  };
}

/** The framing rules of RFC 9112 6.3, without any of its leniencies. */
function bodyLengthOf(facts: FieldFacts, minorVersion: number): number | HttpFault {
  const { contentLength, transferEncoding } = facts;
  if (transferEncoding !== undefined) {
    if (minorVersion === 0) return HTTP_FAULTS.transferCodingVersion;
    if (contentLength !== undefined) return HTTP_FAULTS.twoLengths;
    return transferEncoding.toLowerCase() === 'chunked' ? -1 : HTTP_FAULTS.transferCoding;
  }
  if (contentLength === undefined) return 0;
  const { length } = contentLength;
  if (length === 0) return HTTP_FAULTS.contentLength;
  for (let i = 0; i < length; i++) {
    const code = contentLength.charCodeAt(i);
    if (code < 0x30 || code > 0x39) return HTTP_FAULTS.contentLength;
  }
  return length > CONTENT_LENGTH_DIGITS_MAX ? HTTP_FAULTS.bodyLength : Number(contentLength);
}

/** Checks Host against the target, and takes the absolute form apart (RFC 9112 3.2). */
function resourceOf(
  method: string,
  target: string,
  minorVersion: number,
  facts: FieldFacts,
): string | HttpFault {
  const { host } = facts;
  if (facts.isHostBad) return HTTP_FAULTS.host;
  if (host === undefined && minorVersion === 1) return HTTP_FAULTS.hostMissing;
  if (method === 'CONNECT') return HTTP_FAULTS.connectMethod;
  if (target.charCodeAt(0) === 0x2f) return target;
  if (target === '*') return method === 'OPTIONS' ? target : HTTP_FAULTS.target;
  const absolute = ABSOLUTE_FORM.exec(target);
  const authority = absolute?.[1];
  if (authority === undefined || !isAuthority(authority)) return HTTP_FAULTS.target;
  // A client must send the same authority twice; two different ones are two readers' two requests.
  if (host !== undefined && host.toLowerCase() !== authority.toLowerCase()) return HTTP_FAULTS.host;
  const rest = absolute?.[2] ?? '';
  return rest.startsWith('/') ? rest : `/${rest}`;
}

function connectionOptions(value: string | undefined): readonly string[] | undefined {
  if (value === undefined) return NO_OPTIONS;
  const options = value.toLowerCase().split(',', CONNECTION_OPTIONS_MAX + 1);
  if (options.length > CONNECTION_OPTIONS_MAX) return undefined;
  return options.length === 1 ? options : options.map((option) => option.trim());
}

function hasWebSocket(upgrade: string | undefined): boolean {
  if (upgrade === undefined) return false;
  return upgrade
    .toLowerCase()
    .split(',')
    .some((protocol) => protocol.trim() === 'websocket');
}

function joined(before: string | undefined, value: string): string {
  return before === undefined ? value : `${before}, ${value}`;
}
