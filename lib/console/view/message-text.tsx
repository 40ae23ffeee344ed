// A text with its addresses as links. Nothing is fetched to preview them.

import type { ComponentChild } from 'preact';

const LINK = /https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]}]/g;

export function MessageText({ text }: { text: string }) {
  const parts: ComponentChild[] = [];
  let end = 0;
  for (const match of text.matchAll(LINK)) {
    parts.push(text.slice(end, match.index));
    parts.push(
      <a key={match.index} href={match[0]} target="_blank" rel="noopener noreferrer nofollow">
        {match[0]}
      </a>,
    );
    end = match.index + match[0].length;
  }
  parts.push(text.slice(end));
  return <p class="bubble-text">{parts}</p>;
}
