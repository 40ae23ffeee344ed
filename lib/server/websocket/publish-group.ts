// Which sockets get the same bytes of a publish: those of one route, under the same bounds, whose frames
// the same compressor has made, or none.

import type { SharedDeflater } from '../../websocket/deflate-streams.ts';
import type { ResolvedRoute } from './websocket-route.ts';

export interface PublishGroup {
  readonly route: ResolvedRoute;
  /** Undefined: they get plain frames, since they have no compression, or a context of their own. */
  readonly deflater: SharedDeflater | undefined;
}

/** One object per group, so that it can be a key. There are as many as routes and window sizes. */
export class PublishGroups {
  readonly #groups = new Map<ResolvedRoute, Map<SharedDeflater | undefined, PublishGroup>>();

  of(route: ResolvedRoute, deflater: SharedDeflater | undefined): PublishGroup {
    let ofRoute = this.#groups.get(route);
    if (ofRoute === undefined) {
      ofRoute = new Map();
      this.#groups.set(route, ofRoute);
    }
    let group = ofRoute.get(deflater);
    if (group === undefined) {
      group = { route, deflater };
      ofRoute.set(deflater, group);
    }
    return group;
  }
}
