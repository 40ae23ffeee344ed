// The few pictures that Meta's servers would hold: the thumbs-up sticker and faces of customers. Drawn here.

export const LIKE_STICKER_ID = '369239263222822';

const COLOURS: readonly string[] = [
  '#3b6fd4',
  '#0e8f6e',
  '#b4552d',
  '#7a4fc0',
  '#b03a6b',
  '#4a6a1f',
];

const HEAD =
  '<svg xmlns="http://www.w3.org/2000/svg" width="256" height="256" viewBox="0 0 64 64">';

const LIKE = [
  HEAD,
  '<path fill="#3b6fd4" d="M8 28h12v28H8zM24 28c7-5 10-12 10-22 6 0 8 5 8 9 0 4-1 8-2 11h14',
  'c4 0 6 4 5 7l-5 19c-1 3-3 4-6 4H32c-3 0-6-1-8-3z"/></svg>',
].join('');

const LETTER = 'x="32" y="43" font-family="sans-serif" font-size="30" fill="#fff"';

/**
 * @param file `like.svg`, or `<id>.svg` of a customer
 * @param name the customer's, if known
 * @returns undefined for any other file
 */
export function drawPicture(file: string, name: string | undefined): string | undefined {
  if (file === 'like.svg') return LIKE;
  const id = /^(\d{1,32})\.svg$/.exec(file)?.[1];
  if (id === undefined) return undefined;
  const letter = escapeText([...(name ?? '?')][0] ?? '?');
  const colour = COLOURS[Number(id.slice(-2)) % COLOURS.length] ?? '#3b6fd4';
  const ground = `<rect width="64" height="64" fill="${colour}"/>`;
  return `${HEAD}${ground}<text ${LETTER} text-anchor="middle">${letter}</text></svg>`;
}

function escapeText(text: string): string {
  return text.replace(/[<>&"']/g, (unit) => `&#${unit.charCodeAt(0)};`);
}
