// Node's own llhttp as a judge of requests: what it takes for messages, and why it stops. One parser is used
// again and again, as node:http does.

import { createRequire } from 'node:module';

/** The tables of the fuzz were written against these. */
const KNOWN_VERSIONS = /^9\.[34]\./;

/** Another llhttp may be stricter or more lenient: what it accepts beyond us is then only counted. */
export const isKnownOracle = KNOWN_VERSIONS.test(process.versions['llhttp'] ?? '');

export interface OracleMessage {
  method: string;
  url: string;
  readonly fields: string[];
  body: string;
  isComplete: boolean;
}

export interface Verdict {
  readonly messages: readonly OracleMessage[];
  /** HPE_…, when it stopped. */
  readonly error: string | undefined;
}

interface OracleParser {
  [key: number]: unknown;
  initialize(type: number, resource: object): void;
  execute(bytes: Buffer): number | (Error & { code: string });
}

interface OracleClass {
  new (): OracleParser;
  readonly REQUEST: number;
  readonly kOnHeaders: number;
  readonly kOnHeadersComplete: number;
  readonly kOnBody: number;
  readonly kOnMessageComplete: number;
}

interface HttpCommon {
  readonly HTTPParser: OracleClass;
  readonly methods: readonly string[];
}

const { HTTPParser, methods } = createRequire(import.meta.url)('_http_common') as HttpCommon;

export class Oracle {
  readonly #parser = new HTTPParser();
  readonly #resource = {};
  #messages: OracleMessage[] = [];
  #early: string[] = [];
  #earlyUrl = '';

  constructor() {
    const parser = this.#parser;
    parser[HTTPParser.kOnHeaders] = (fields: string[], url: string) => {
      // Trailers come this way, too.
      if (this.#messages.at(-1)?.isComplete === false) return;
      this.#early.push(...fields);
      this.#earlyUrl += url;
    };
    parser[HTTPParser.kOnHeadersComplete] = (
      _major: number,
      _minor: number,
      fields: string[] | undefined,
      method: number,
      url: string | undefined,
    ) => this.#headComplete(fields ?? [], method, url ?? '');
    parser[HTTPParser.kOnBody] = (chunk: Buffer) => {
      const last = this.#messages.at(-1);
      if (last !== undefined) last.body += chunk.toString('latin1');
    };
    parser[HTTPParser.kOnMessageComplete] = () => {
      const last = this.#messages.at(-1);
      if (last !== undefined) last.isComplete = true;
    };
  }

  /** @param input is not written to */
  judge(input: Buffer): Verdict {
    this.#messages = [];
    this.#early = [];
    this.#earlyUrl = '';
    this.#parser.initialize(HTTPParser.REQUEST, this.#resource);
    const result = this.#parser.execute(input);
    const error = typeof result === 'number' ? undefined : result.code;
    return { messages: this.#messages, error };
  }

  #headComplete(fields: readonly string[], method: number, url: string): number {
    const all = this.#early.length === 0 ? [...fields] : [...this.#early, ...fields];
    for (let i = 0; i < all.length; i += 2) all[i] = (all[i] ?? '').toLowerCase();
    this.#messages.push({
      method: methods[method] ?? String(method),
      url: this.#earlyUrl + url,
      fields: all,
      body: '',
      isComplete: false,
    });
    this.#early = [];
    this.#earlyUrl = '';
    return 0;
  }
}
