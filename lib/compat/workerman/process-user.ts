// A worker's `user` and `group`: empty where there is none.

import { becomeUser as become, findUser } from '../../process/process-user.ts';

/**
 * @param group empty: the one that is the user's own
 * @throws SluiceError as findUser()
 */
export function becomeUser(user: string, group: string): void {
  if (user !== '') become(findUser(user, group === '' ? undefined : group));
  else if (group !== '') process.setgid?.(group);
}
