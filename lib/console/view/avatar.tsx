// A person as a coloured disc with initials; pictures are not fetched, they would tell Meta who looks.

import { hueOf, initials } from '../model/format.ts';

export function Avatar({ id, name, small }: { id: string; name: string; small?: boolean }) {
  const size = small === true ? ' avatar-small' : '';
  return (
    <span class={`avatar avatar-${hueOf(id)}${size}`} aria-hidden="true">
      {initials(name)}
    </span>
  );
}
