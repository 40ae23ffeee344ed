// The page's drawings: one stroke width, the colour of the text around them.

const PATHS = {
  search: 'M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14Zm9 16-4-4',
  back: 'M15 5l-7 7 7 7',
  send: 'M12 19V6m-6 6 6-6 6 6',
  close: 'M6 6l12 12M18 6 6 18',
  bell: 'M6 10a6 6 0 1 1 12 0c0 5 2 6 2 6H4s2-1 2-6m4 10a2 2 0 0 0 4 0',
  bellOff:
    'M18 13.500V10a6 6 0 0 0-9.400-4.900M6.500 8A8 8 0 0 0 6 10c0 5-2 6-2 6h12m-6 4a2 2 0 0 0 4 0M4 4l16 16',
  exit: 'M14 5h-8v14h8M11 12h9m-3-3 3 3-3 3',
  reply: 'M9 7l-5 5 5 5m-5-5h10a6 6 0 0 1 6 6',
  clock: 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16Zm0 4v4l3 2',
  tick: 'M5 13l4 4L19 7',
  ticks: 'M2 13l4 4L16 7m-5 9 1 1L22 7',
  alert: 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16Zm0 4v5m0 3v.01',
  question:
    'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16Zm-2 6a2 2 0 1 1 2.700 1.900c-.5.2-.7.6-.7 1.100m0 3v.01',
  down: 'M6 10l6 6 6-6',
  image: 'M4 6h16v12H4Zm0 9 4-4 4 4 3-3 5 5M15.500 9.500v.01',
  file: 'M7 3h7l4 4v14H7Zm7 0v5h4',
  play: 'M8 5l11 7-11 7Z',
  chat: 'M5 5h14v11H11l-5 4v-4H5Z',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, class: className = '' }: { name: IconName; class?: string }) {
  return (
    <svg class={`icon ${className}`} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
