// The page's life: a WebSocket to the simulator, who is shown, and what a finger does.
// The simulator sends the whole thread after each change; the page keeps nothing of its own.

import { Bubbles, clockTime, element } from './bubbles.js';
import { fillWords, say } from './words.js';

/** @typedef {import('./bubbles.js').Message} Message */
/** @typedef {{page: string, user: string, messages: Message[], seenAt: number, typing: boolean}} Thread */

const RETRY_FIRST_MS = 300;
const RETRY_MAX_MS = 5000;

/** Faults of the menu, in its order, as the simulator takes them. */
const FAULTS = {
  lost_answer: { kind: 'lost_answer' },
  invalid_reply: { kind: 'error', code: 1, subcode: 1357046, sent: true },
  reset: { kind: 'reset', sent: true },
  window: { kind: 'error', code: 10, subcode: 2018278 },
  limit: { kind: 'error', code: 613 },
  token: { kind: 'error', code: 190, subcode: 463 },
  blocked: { kind: 'error', code: 551, subcode: 1545041 },
  temporary: { kind: 'status', status: 503 },
  drop_echo: { kind: 'drop_echo' },
  delay_echo: { kind: 'delay_echo', ms: 10_000 },
  echo_first: { kind: 'echo_first' },
};

/**
 * @template {typeof HTMLElement} Kind
 * @param {string} id
 * @param {Kind} kind
 * @returns {InstanceType<Kind>}
 */
function byId(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`The page has no ${id}.`);
  return /** @type {InstanceType<Kind>} */ (found);
}

const pages = byId('page-select', HTMLSelectElement);
const customers = byId('customer-select', HTMLSelectElement);
const connection = byId('connection', HTMLElement);
const text = byId('text', HTMLTextAreaElement);
const send = byId('send', HTMLButtonElement);
const like = byId('like', HTMLButtonElement);
const imageForm = byId('image-form', HTMLFormElement);
const imageUrl = byId('image-url', HTMLInputElement);
const imageToggle = byId('image-toggle', HTMLButtonElement);
const quickReplies = byId('quick-replies', HTMLElement);
const typing = byId('typing', HTMLElement);
const seen = byId('seen', HTMLElement);
const fault = byId('fault', HTMLSelectElement);
const notice = byId('notice', HTMLElement);
const bubbles = new Bubbles(byId('messages', HTMLElement), (mid, emoji) =>
  act({ type: 'react', mid, emoji }),
);

/** @type {WebSocket | undefined} */
let socket;
let retryMs = RETRY_FIRST_MS;

function connect() {
  setConnection('connecting');
  socket = new WebSocket(new URL('live', location.href.replace(/^http/, 'ws').replace(/#.*/, '')));
  socket.addEventListener('open', () => {
    retryMs = RETRY_FIRST_MS;
    setConnection('open');
  });
  socket.addEventListener('message', (event) => receive(JSON.parse(String(event.data))));
  socket.addEventListener('close', () => {
    setConnection('connecting');
    setTimeout(connect, retryMs);
    retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
  });
}

/** @param {'open' | 'connecting'} state */
function setConnection(state) {
  connection.dataset['state'] = state;
  connection.textContent = say(state);
}

/** @param {object} message */
function tell(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

/** @param {object} action */
function act(action) {
  tell({ ...action, page: pages.value, user: customers.value });
}

/** @param {any} message */
function receive(message) {
  if (message.type === 'world') drawWorld(message);
  else if (message.type === 'thread') drawThread(message);
  else if (message.type === 'result' && !message.ok) {
    notice.textContent = say('failed', { error: message.error });
  }
}

/**
 * @param {{pages: {id: string, name: string}[], customers: {id: string, name: string}[],
 *   created?: string, webhooks: Record<string, boolean>}} world
 */
function drawWorld(world) {
  const wanted = new URLSearchParams(location.hash.slice(1));
  fillSelect(pages, world.pages, pages.value || wanted.get('page'));
  const customer = world.created ?? (customers.value || wanted.get('customer'));
  fillSelect(customers, world.customers, customer);
  for (const name of ['duplicate', 'shuffle', 'hold']) {
    byId(`hook-${name}`, HTMLInputElement).checked = world.webhooks[name] === true;
  }
  openThread();
}

/**
 * @param {HTMLSelectElement} select
 * @param {{id: string, name: string}[]} items
 * @param {string | null} chosen
 */
function fillSelect(select, items, chosen) {
  select.replaceChildren(...items.map(({ id, name }) => element('option', { value: id }, name)));
  if (items.some(({ id }) => id === chosen)) select.value = chosen ?? '';
}

function openThread() {
  const page = pages.value;
  const user = customers.value;
  if (page === '' || user === '') return;
  const name = pages.selectedOptions[0]?.textContent ?? '';
  byId('peer-name', HTMLElement).textContent = name;
  byId('face', HTMLElement).textContent = [...name][0] ?? '';
  document.title = customers.selectedOptions[0]?.textContent ?? '';
  history.replaceState(null, '', `#${new URLSearchParams({ page, customer: user })}`);
  const visible = document.visibilityState === 'visible';
  tell({ type: 'open', page, user, visible });
}

/** @param {Thread} thread */
function drawThread(thread) {
  if (thread.page !== pages.value || thread.user !== customers.value) return;
  bubbles.draw(thread.messages, pages.selectedOptions[0]?.textContent ?? '');
  typing.hidden = !thread.typing;
  const last = thread.messages.at(-1);
  const isSeen = last?.from === 'customer' && thread.seenAt >= last.at;
  seen.hidden = last?.from !== 'customer';
  seen.dataset['seen'] = String(isSeen);
  seen.textContent = isSeen ? say('seen', { time: clockTime(thread.seenAt) }) : say('delivered');
  drawQuickReplies(last?.from === 'page' ? (last.quickReplies ?? []) : []);
}

/** They stand under the last message only, and go once one is tapped. @param {{title: string, payload: string}[]} replies */
function drawQuickReplies(replies) {
  const buttons = replies.map(({ title, payload }) => {
    const button = element('button', { type: 'button', 'data-testid': 'quick-reply' }, title);
    button.addEventListener('click', () => act({ type: 'quickReply', title, payload }));
    return button;
  });
  quickReplies.replaceChildren(...buttons);
}

function sendText() {
  const written = text.value.trim();
  if (written === '' || connection.dataset['state'] !== 'open') return;
  act({ type: 'text', text: written });
  text.value = '';
  fitText();
}

/** The box grows with its text; an empty one offers the thumbs-up. */
function fitText() {
  text.style.height = 'auto';
  text.style.height = `${text.scrollHeight}px`;
  const isEmpty = text.value.trim() === '';
  send.hidden = isEmpty;
  like.hidden = !isEmpty;
}

/** @param {boolean} isOpen */
function showImageForm(isOpen) {
  imageForm.hidden = !isOpen;
  imageToggle.setAttribute('aria-expanded', String(isOpen));
  if (isOpen) imageUrl.focus();
  else text.focus();
}

function listenToComposer() {
  byId('composer', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault();
    sendText();
  });
  text.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    sendText();
  });
  text.addEventListener('input', fitText);
  like.addEventListener('click', () => act({ type: 'sticker' }));
  imageToggle.addEventListener('click', () => showImageForm(imageForm.hidden));
  imageForm.addEventListener('submit', (event) => {
    event.preventDefault();
    act({ type: 'image', url: imageUrl.value });
    imageUrl.value = '';
    showImageForm(false);
  });
}

function listenToPanels() {
  const change = () => {
    bubbles.clear();
    openThread();
  };
  pages.addEventListener('change', change);
  customers.addEventListener('change', change);
  byId('new-customer', HTMLButtonElement).addEventListener('click', () => {
    const name = prompt(say('newCustomerName'));
    if (name === null) return;
    bubbles.clear();
    tell({ type: 'customer', name });
  });
  byId('fault-arm', HTMLButtonElement).addEventListener('click', () => {
    const chosen = Object.entries(FAULTS).find(([name]) => name === fault.value);
    if (chosen === undefined) return;
    tell({ type: 'faults', send: chosen[1] });
    notice.textContent = say('armed', { fault: say(`fault.${chosen[0]}`) });
  });
  for (const name of ['duplicate', 'shuffle', 'hold']) {
    const box = byId(`hook-${name}`, HTMLInputElement);
    box.addEventListener('change', () =>
      tell({ type: 'faults', webhooks: { [name]: box.checked } }),
    );
  }
  byId('inbox-form', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault();
    const input = byId('inbox-text', HTMLInputElement);
    if (input.value.trim() !== '') act({ type: 'inbox', text: input.value });
    input.value = '';
  });
}

fillWords();
fault.append(
  ...Object.keys(FAULTS).map((name) => element('option', { value: name }, say(`fault.${name}`))),
);
listenToComposer();
listenToPanels();
// A thread that nobody looks at is not read.
document.addEventListener('visibilitychange', openThread);
connect();
