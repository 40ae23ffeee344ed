// What a client can do wrong in HTTP/1.1: one table of values. The parser returns them and throws
// nothing; the connection answers `status` and closes; a body's reader gets an HttpError.

export interface HttpFault {
  readonly code: string;
  /** The status of the answer. */
  readonly status: number;
  /** One sentence for the client's developer; goes out as the answer's body. */
  readonly message: string;
}

const fault = (code: string, status: number, message: string): HttpFault =>
  Object.freeze({ code, status, message });

export const HTTP_FAULTS = Object.freeze({
  method: fault('ERR_HTTP_METHOD', 400, 'The request method is not a token.'),
  methodLength: fault('ERR_HTTP_METHOD_LENGTH', 501, 'The request method is not implemented.'),
  target: fault('ERR_HTTP_TARGET', 400, 'The request target is not valid.'),
  targetLength: fault('ERR_HTTP_TARGET_LENGTH', 414, 'The request target is too long.'),
  versionSyntax: fault('ERR_HTTP_VERSION_SYNTAX', 400, 'The request line is not valid.'),
  version: fault('ERR_HTTP_VERSION', 505, 'Only HTTP/1.1 and HTTP/1.0 are spoken here.'),
  lineEnd: fault('ERR_HTTP_LINE_END', 400, 'A line does not end with CR LF.'),
  emptyLine: fault('ERR_HTTP_EMPTY_LINE', 400, 'Empty lines stand before the request.'),
  fold: fault('ERR_HTTP_FOLD', 400, 'A header line begins with a space.'),
  fieldName: fault('ERR_HTTP_FIELD_NAME', 400, 'A header field name is not a token.'),
  fieldValue: fault('ERR_HTTP_FIELD_VALUE', 400, 'A header field value has a control character.'),
  headLength: fault('ERR_HTTP_HEAD_LENGTH', 431, 'The request head is too large.'),
  fieldCount: fault('ERR_HTTP_FIELD_COUNT', 431, 'The request has too many header fields.'),
  hostMissing: fault('ERR_HTTP_HOST_MISSING', 400, 'The Host field is missing.'),
  hostRepeated: fault('ERR_HTTP_HOST_REPEATED', 400, 'The Host field is repeated.'),
  host: fault('ERR_HTTP_HOST', 400, 'The Host field is not valid.'),
  contentLength: fault('ERR_HTTP_CONTENT_LENGTH', 400, 'The Content-Length is not valid.'),
  contentLengthRepeated: fault(
    'ERR_HTTP_CONTENT_LENGTH_REPEATED',
    400,
    'The Content-Length is repeated.',
  ),
  transferCoding: fault('ERR_HTTP_TRANSFER_CODING', 400, 'The only transfer coding is chunked.'),
  twoLengths: fault(
    'ERR_HTTP_TWO_LENGTHS',
    400,
    'Transfer-Encoding and Content-Length exclude each other.',
  ),
  transferCodingVersion: fault(
    'ERR_HTTP_TRANSFER_CODING_VERSION',
    400,
    'HTTP/1.0 has no Transfer-Encoding.',
  ),
  connection: fault('ERR_HTTP_CONNECTION', 400, 'The Connection field is not valid.'),
  expectation: fault('ERR_HTTP_EXPECTATION', 417, 'The only expectation is 100-continue.'),
  connectMethod: fault('ERR_HTTP_CONNECT', 501, 'CONNECT is not implemented.'),
  chunkSize: fault('ERR_HTTP_CHUNK_SIZE', 400, 'A chunk size is not valid.'),
  chunkExtension: fault('ERR_HTTP_CHUNK_EXTENSION', 400, 'A chunk extension is not valid.'),
  chunkEnd: fault('ERR_HTTP_CHUNK_END', 400, 'A chunk does not end with CR LF.'),
  trailer: fault('ERR_HTTP_TRAILER', 400, 'The trailer section is not valid.'),
  trailerLength: fault('ERR_HTTP_TRAILER_LENGTH', 431, 'The trailer section is too large.'),
  bodyLength: fault('ERR_HTTP_BODY_LENGTH', 413, 'The request body is too large.'),
  bodyJson: fault('ERR_HTTP_BODY_JSON', 400, 'The request body is not JSON.'),
  bodyCut: fault('ERR_HTTP_BODY_CUT', 400, 'The connection ended within the request body.'),
  headTimeout: fault('ERR_HTTP_HEAD_TIMEOUT', 408, 'The request head took too long.'),
  bodyTimeout: fault('ERR_HTTP_BODY_TIMEOUT', 408, 'The request body took too long.'),
});

/** A fault as a reader of the body meets it. Programs decide on `code` or `status`. */
export class HttpError extends Error {
  readonly code: string;
  readonly status: number;

  constructor(fault: HttpFault, options?: ErrorOptions) {
    super(fault.message, options);
    this.name = 'HttpError';
    this.code = fault.code;
    this.status = fault.status;
  }
}
