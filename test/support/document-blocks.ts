// The fenced blocks of a Markdown document.

export interface Block {
  readonly language: string;
  readonly code: string;
  /** Line of the opening fence, from 1. */
  readonly line: number;
  /** From a first line `// run: NAME`. */
  readonly name: string | undefined;
}

/** @param languages those that are wanted; '' for blocks without one */
export function blocksOf(text: string, languages: readonly string[]): Block[] {
  const blocks: Block[] = [];
  for (const match of text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)) {
    const [, language = '', code = ''] = match;
    if (!languages.includes(language)) continue;
    const line = text.slice(0, match.index).split('\n').length;
    blocks.push({ language, code, line, name: /^\/\/ run: (\S+)/.exec(code)?.[1] });
  }
  return blocks;
}
