// Draws a thread: bubbles that stay the same elements while their content does, so that nothing flickers
// and the reader's place is kept. Texts only ever become text nodes.

import { isChinese, say } from './words.js';

/**
 * @typedef {{mid: string, at: number, from: 'customer' | 'page', text?: string,
 *   attachments?: {type: string, url?: string, stickerId?: string}[],
 *   quickReplies?: {title: string, payload: string}[], replyTo?: string,
 *   reactions?: {customer?: string, page?: string}, edits?: number, fromInbox?: true}} Message
 */

const EMOJI = ['❤️', '😆', '😮', '😢', '😠', '👍'];
const LINK = /https?:\/\/[^\s<>"']+/g;
/** A new block of bubbles shows its time after so long. */
const PAUSE_MS = 15 * 60 * 1000;
const AT_END_PX = 80;

const time = new Intl.DateTimeFormat(isChinese ? 'zh' : undefined, {
  hour: '2-digit',
  minute: '2-digit',
});

/** @param {number} at */
export const clockTime = (at) => time.format(at);

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string>} [attributes]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export class Bubbles {
  /** @type {HTMLElement} */
  #list;
  /** @type {(mid: string, emoji: string | null) => void} */
  #onReact;
  /** @type {Map<string, {text: string, node: HTMLElement}>} */
  #drawn = new Map();

  /**
   * @param {HTMLElement} list
   * @param {(mid: string, emoji: string | null) => void} onReact
   */
  constructor(list, onReact) {
    this.#list = list;
    this.#onReact = onReact;
    document.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.#closePicker();
    });
  }

  clear() {
    this.#drawn.clear();
    this.#list.replaceChildren();
  }

  /**
   * @param {Message[]} messages
   * @param {string} pageName
   */
  draw(messages, pageName) {
    const wasAtEnd = this.#isAtEnd();
    const known = new Map(messages.map((message) => [message.mid, message]));
    const nodes = messages.map((message, index) => this.#node(message, messages[index - 1], known));
    for (const mid of this.#drawn.keys()) if (!known.has(mid)) this.#drawn.delete(mid);
    if (nodes.length === 0) {
      nodes.push(element('li', { class: 'empty' }, say('empty', { page: pageName })));
    }
    this.#place(nodes);
    const last = messages.at(-1);
    if (wasAtEnd || last?.from === 'customer') this.#list.scrollTop = this.#list.scrollHeight;
  }

  /** Moves only what is not in its place already. @param {HTMLElement[]} nodes */
  #place(nodes) {
    nodes.forEach((node, index) => {
      const current = this.#list.children[index];
      if (current !== node) this.#list.insertBefore(node, current ?? null);
    });
    while (this.#list.children.length > nodes.length) this.#list.lastChild?.remove();
  }

  #isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#list;
    return scrollHeight - scrollTop - clientHeight < AT_END_PX;
  }

  /**
   * @param {Message} message
   * @param {Message | undefined} before
   * @param {Map<string, Message>} known
   */
  #node(message, before, known) {
    const replied = message.replyTo === undefined ? undefined : known.get(message.replyTo);
    const follows = before?.from === message.from && message.at - before.at < PAUSE_MS;
    const pauses = before === undefined || message.at - before.at >= PAUSE_MS;
    const text = JSON.stringify([message, replied?.text, follows, pauses]);
    const drawn = this.#drawn.get(message.mid);
    if (drawn?.text === text) return drawn.node;
    const node = this.#bubble(message, replied, follows, pauses);
    this.#drawn.set(message.mid, { text, node });
    return node;
  }

  /**
   * @param {Message} message
   * @param {Message | undefined} replied
   * @param {boolean} follows
   * @param {boolean} pauses
   */
  #bubble(message, replied, follows, pauses) {
    const body = element('div', { class: 'body', title: clockTime(message.at) });
    if (replied?.text) body.append(element('blockquote', {}, replied.text.slice(0, 120)));
    for (const attachment of message.attachments ?? []) body.append(drawAttachment(attachment));
    if (message.text !== undefined) body.append(drawText(message.text));
    const notes = [];
    if (message.edits) notes.push(say('edited'));
    if (message.fromInbox) notes.push(say('fromInbox'));
    if (notes.length > 0) body.append(element('small', {}, notes.join(' · ')));
    const item = element('li', {
      class: `${message.from}${follows ? ' follows' : ''}${isBare(message) ? ' bare' : ''}`,
      'data-testid': 'bubble',
      'data-from': message.from,
      'data-mid': message.mid,
    });
    if (pauses) item.append(element('time', {}, clockTime(message.at)));
    item.append(element('div', { class: 'line' }, body, this.#reactButton(message)));
    const emoji = Object.values(message.reactions ?? {}).join('');
    if (emoji !== '') item.append(element('span', { class: 'reactions' }, emoji));
    return item;
  }

  /** @param {Message} message */
  #reactButton(message) {
    const button = element(
      'button',
      {
        type: 'button',
        class: 'react',
        'data-testid': 'react-open',
        'aria-label': say('react'),
        'aria-expanded': 'false',
      },
      '☺',
    );
    button.addEventListener('click', () => {
      const isOpen = button.getAttribute('aria-expanded') === 'true';
      this.#closePicker();
      if (!isOpen) this.#openPicker(button, message);
    });
    return button;
  }

  /**
   * @param {HTMLElement} button
   * @param {Message} message
   */
  #openPicker(button, message) {
    const own = message.reactions?.customer;
    const picker = element('div', { class: 'picker', role: 'group', 'aria-label': say('react') });
    for (const emoji of EMOJI) {
      const choice = element(
        'button',
        {
          type: 'button',
          'data-testid': 'react',
          'data-emoji': emoji,
          'aria-pressed': String(own === emoji),
        },
        emoji,
      );
      choice.addEventListener('click', () => {
        this.#closePicker();
        this.#onReact(message.mid, own === emoji ? null : emoji);
      });
      picker.append(choice);
    }
    button.setAttribute('aria-expanded', 'true');
    button.after(picker);
    picker.querySelector('button')?.focus();
  }

  #closePicker() {
    const picker = this.#list.querySelector('.picker');
    const button = picker?.previousElementSibling;
    picker?.remove();
    button?.setAttribute('aria-expanded', 'false');
    if (picker && button instanceof HTMLElement) button.focus();
  }
}

/** @param {Message} message */
function isBare(message) {
  const [first] = message.attachments ?? [];
  return message.text === undefined && (first?.type === 'sticker' || first?.type === 'image');
}

/** @param {{type: string, url?: string}} attachment */
function drawAttachment({ type, url }) {
  if (url === undefined) return element('p', {}, `${say('attachment')}: ${type}`);
  if (type === 'sticker')
    return element('img', { class: 'sticker', src: url, alt: say('sticker') });
  const link = element('a', { href: url, target: '_blank', rel: 'noopener noreferrer' });
  if (type === 'image') {
    link.append(
      element('img', { src: url, alt: say('attachment'), referrerpolicy: 'no-referrer' }),
    );
  } else {
    link.append(`${say('attachment')}: ${type}`);
  }
  return link;
}

/** Web addresses become links. @param {string} text */
function drawText(text) {
  const paragraph = element('p', { dir: 'auto' });
  let copied = 0;
  for (const match of text.matchAll(LINK)) {
    const [url] = match;
    paragraph.append(text.slice(copied, match.index));
    paragraph.append(
      element('a', { href: url, target: '_blank', rel: 'noopener noreferrer' }, url),
    );
    copied = match.index + url.length;
  }
  paragraph.append(text.slice(copied));
  return paragraph;
}
